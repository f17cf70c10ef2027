"""What can interrupt a whole supply, who must not be cut off, and the orders to do it.

What is only ever added (the steps of an order) or written by reports (what a contact says) has
tables without models, see the migration.
"""

from django.db import models
from django.db.models import F, Q

from balans.domain.supply import (
    OPEN,
    OrderState,
    Protection,
    ReconnectMode,
    SupplyAction,
    SupplyKind,
    SupplyReason,
)
from balans.storage.models.fields import inside, word, word_check
from balans.storage.models.tree import TenantRow

OUTPUT_MAX = 4


class SupplyDevice(TenantRow):
    """The contactor or valve of a metering point, behind `output` of a module with an adapter.

    One that was taken away keeps its row and its orders; a point has at most one that is there.
    Its module switches no load: the database sees to it.
    """

    point = inside("storage.MeteringPoint")
    module = inside("storage.Module")
    output = models.SmallIntegerField(default=1)
    kind = word()
    reconnect = word()
    author = models.CharField(max_length=150)
    added_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True, blank=True)
    removed_by = models.CharField(max_length=150, blank=True, default="")

    class Meta:
        db_table = "supply_device"
        constraints = [
            word_check("supply_device", "kind", SupplyKind),
            word_check("supply_device", "reconnect", ReconnectMode),
            models.CheckConstraint(
                name="supply_device_output", condition=Q(output__range=(1, OUTPUT_MAX))
            ),
            models.UniqueConstraint(
                fields=["point"], condition=Q(removed_at__isnull=True), name="supply_device_point"
            ),
            models.UniqueConstraint(
                fields=["module", "output"],
                condition=Q(removed_at__isnull=True),
                name="supply_device_output_once",
            ),
        ]


class SupplyProtection(TenantRow):
    """A point that is not cut off for non-payment, and why; it lasts until somebody ends it."""

    point = inside("storage.MeteringPoint")
    kind = word()
    reason = models.CharField(max_length=500)
    author = models.CharField(max_length=150)
    at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.CharField(max_length=150, blank=True, default="")
    end_reason = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        db_table = "supply_protection"
        constraints = [
            word_check("supply_protection", "kind", Protection),
            models.UniqueConstraint(
                fields=["point"],
                condition=Q(ended_at__isnull=True),
                name="supply_protection_once",
            ),
        ]


class SupplyRule(TenantRow):
    """For which legal reasons orders at a node and below it need a second person.

    The nearest one counts; without any it is non-payment.
    """

    node = inside("storage.Node")
    second_person = models.JSONField(default=list)
    author = models.CharField(max_length=150)
    at = models.DateTimeField()

    class Meta:
        db_table = "supply_rule"
        constraints = [models.UniqueConstraint(fields=["node"], name="supply_rule_node")]


class SupplyOrder(TenantRow):
    """An order to disconnect or reconnect a point; its steps stand in ``supply_step``.

    `code` is its id on the wire. `faults` and `moved` are what the automatic check found when it
    was submitted: a fault of the input, pulses while the supply was off.
    """

    code = models.CharField(max_length=64)
    point = inside("storage.MeteringPoint")
    device = inside("storage.SupplyDevice")
    action = word()
    reason = word()
    text = models.CharField(max_length=500)
    author = models.CharField(max_length=150)
    user = inside("storage.User")
    created = models.DateTimeField()
    not_before = models.DateTimeField(null=True, blank=True)
    expires = models.DateTimeField()
    state = word(default=OrderState.DRAFT.value)
    second_person = models.BooleanField(default=False)
    checks = models.JSONField(default=list)
    moved = models.BigIntegerField(null=True, blank=True)
    approver = models.CharField(max_length=150, blank=True, default="")
    approver_user = inside("storage.User", null=True, blank=True)
    approved_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    heard_at = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    detail = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        db_table = "supply_order"
        constraints = [
            models.UniqueConstraint(fields=["code"], name="supply_order_code"),
            word_check("supply_order", "action", SupplyAction),
            word_check("supply_order", "reason", SupplyReason),
            word_check("supply_order", "state", OrderState),
            models.CheckConstraint(
                name="supply_order_expiry", condition=Q(expires__gt=F("created"))
            ),
            models.UniqueConstraint(
                fields=["point"],
                condition=Q(state__in=sorted(state.value for state in OPEN)),
                name="supply_order_one_open",
            ),
            # nobody approves an order of their own
            models.CheckConstraint(
                name="supply_order_two_people",
                condition=Q(approver_user__isnull=True) | ~Q(approver_user=F("user")),
            ),
            # nothing that needs a second person is on its way without one
            models.CheckConstraint(
                name="supply_order_approved",
                condition=~Q(state__in=["approved", "sent", "confirmed", "failed"])
                | Q(second_person=False)
                | Q(approver_user__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["point", "-id"], name="supply_order_point"),
            models.Index(
                fields=["expires"],
                condition=Q(state__in=["draft", "waiting_approval", "approved", "sent"]),
                name="supply_order_ends",
            ),
        ]
