"""Users with their grants; customers with their contracts."""

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models

from balans.core.words import Resource
from balans.storage.models.fields import (
    LtreeField,
    code_check,
    inside,
    period_check,
    word,
    word_check,
)
from balans.storage.models.tree import Period, TenantRow
from balans.usecases.rights import Role


class User(AbstractBaseUser, TenantRow):
    """A person who logs in. What the person may do stands in the grants alone."""

    last_login = None  # a login is no change of the registry
    username = models.CharField(max_length=150, unique=True)
    display_name = models.CharField(max_length=200, blank=True)
    language = models.CharField(max_length=8, default="en")
    is_active = models.BooleanField(default=True)

    objects = BaseUserManager()

    USERNAME_FIELD = "username"

    class Meta:
        db_table = "account"


class Grant(TenantRow):
    """A role of a user on a node and all below it. `path` follows the node by a trigger."""

    user = inside("storage.User")
    role = word()
    node = inside("storage.Node")
    path = LtreeField(editable=False)

    class Meta:
        db_table = "access_grant"
        constraints = [
            models.UniqueConstraint(fields=["user", "role", "node"], name="access_grant_unique"),
            word_check("access_grant", "role", Role),
        ]


class Customer(TenantRow):
    """Who pays."""

    code = models.CharField(max_length=64)
    name = models.CharField(max_length=200)

    class Meta:
        db_table = "customer"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "code"], name="customer_code_unique"),
            code_check("customer"),
        ]


class Contract(TenantRow, Period):
    """What a customer buys at a node; at most one contract a node and resource at a time.

    `benefit` names what entitles the customer to terms of his own, such as a social tariff.
    """

    number = models.CharField(max_length=64)
    customer = inside("storage.Customer")
    node = inside("storage.Node")
    resource = word()
    contracted_kw = models.DecimalField(max_digits=12, decimal_places=3, null=True)
    tariff = models.CharField(max_length=200, blank=True)
    benefit = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        db_table = "contract"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "number"], name="contract_number_unique"),
            word_check("contract", "resource", Resource),
            period_check("contract"),
        ]
