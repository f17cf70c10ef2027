"""Tenants and the object tree."""

from django.db import models
from typing_extensions import override

from balans.core.words import NodeKind
from balans.storage.models.fields import LtreeField, code_check, inside, word, word_check


class Tenant(models.Model):
    """A utility that shares the server with others and sees nothing of them."""

    id = models.AutoField(primary_key=True)
    code = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=200)

    class Meta:
        db_table = "tenant"
        constraints = [code_check("tenant")]

    @override
    def __str__(self) -> str:
        return self.code


class TenantRow(models.Model):
    """A row that belongs to one tenant; the database hides it from all others."""

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+")

    class Meta:
        abstract = True


class Period(models.Model):
    """What holds from `valid_from` until before `valid_to`; NULL: until further notice."""

    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True


class Node(TenantRow):
    """An element of the object tree: region, city, … building, riser, flat.

    `parent` is the truth; `path` (labels ``n<id>`` from the root) follows by a trigger.
    """

    parent = inside("storage.Node", null=True, blank=True)
    kind = word()
    code = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    timezone = models.CharField(max_length=64, blank=True)
    path = LtreeField(editable=False)

    class Meta:
        db_table = "node"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "code"], name="node_code_unique"),
            word_check("node", "kind", NodeKind),
            code_check("node"),
        ]

    @override
    def __str__(self) -> str:
        return self.code
