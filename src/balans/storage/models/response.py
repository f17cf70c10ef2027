"""Demand response by the operator: programmes, who takes part, events, and what calls them.

What is written in bulk (targets, ledger, membership of groups, notes of changes) has tables
without models, see the migration.
"""

from typing import Any

from django.db import models
from django.db.models import F, Q

from balans.storage.models.fields import code_check, inside, word
from balans.storage.models.tree import TenantRow

ROOM = 10_000_000
"""More kilowatts than any programme calls."""


def kilowatts(**options: Any) -> Any:
    """Return a column of power [kW]."""
    return models.DecimalField(max_digits=12, decimal_places=3, **options)


def one_of(table: str, field: str, *words: str) -> models.CheckConstraint:
    """Return the constraint that `field` holds one of `words`."""
    return models.CheckConstraint(
        name=f"{table}_{field}_word", condition=Q(**{f"{field}__in": list(words)})
    )


class Programme(TenantRow):
    """An agreement by which the consumers of a subtree can be called to use less.

    Its rules bind whoever makes an event: at least `notice_s` from announcement to start, at most
    `max_event_s` long, `max_per_day` and `max_per_month` events, `pause_s` between two of them.
    A consumer may leave an event until `opt_out_s` before its start, with `opt_out_within` also
    while it runs. An event of which more than `second_person_kw` is expected needs a second
    person. `fallback_w` holds at each site of the programme once its link was lost for
    `fallback_after_s`, and for at least `fallback_hold_s`.
    """

    node = inside("storage.Node")
    code = models.CharField(max_length=32)
    title = models.CharField(max_length=200)
    state = word(default="draft")
    load_classes = models.JSONField(default=list)
    tariffs = models.JSONField(default=list)  # of contracts; empty: any
    benefits = models.JSONField(default=list)  # of contracts, "none" for those without; empty: any
    incentive = models.CharField(max_length=1000, blank=True, default="")
    consent_needed = models.BooleanField(default=True)
    priority = models.SmallIntegerField(default=5)
    notice_s = models.IntegerField(default=0)
    max_event_s = models.IntegerField(default=4 * 3600)
    max_per_day = models.IntegerField(default=1)
    max_per_month = models.IntegerField(default=10)
    pause_s = models.IntegerField(default=0)
    opt_out_s = models.IntegerField(default=0)
    opt_out_within = models.BooleanField(default=True)
    second_person_kw = kilowatts(null=True, blank=True)
    start_spread_s = models.IntegerField(default=0)
    release_spread_s = models.IntegerField(default=600)
    fallback_w = models.FloatField(null=True, blank=True)
    fallback_after_s = models.IntegerField(default=120)
    fallback_hold_s = models.IntegerField(default=300)
    author = models.CharField(max_length=150)
    created = models.DateTimeField()

    class Meta:
        db_table = "dr_programme"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "code"], name="dr_programme_code_unique"),
            code_check("dr_programme"),
            one_of("dr_programme", "state", "draft", "open", "closed"),
            models.CheckConstraint(
                name="dr_programme_ranges",
                condition=Q(
                    priority__range=(0, 9),
                    notice_s__range=(0, 7 * 86_400),
                    max_event_s__range=(60, 86_400),
                    max_per_day__range=(1, 96),
                    max_per_month__range=(1, 1000),
                    pause_s__range=(0, 7 * 86_400),
                    opt_out_s__range=(0, 7 * 86_400),
                    start_spread_s__range=(0, 3600),
                    release_spread_s__range=(0, 7200),
                    fallback_after_s__range=(60, 86_400),
                    fallback_hold_s__range=(0, 86_400),
                ),
            ),
        ]


class Enrolment(TenantRow):
    """A place takes part in a programme from `joined_at` until `left_at`."""

    programme = inside("storage.Programme")
    node = inside("storage.Node")
    joined_at = models.DateTimeField()
    joined_by = models.CharField(max_length=150)
    left_at = models.DateTimeField(null=True, blank=True)
    left_by = models.CharField(max_length=150, blank=True, default="")

    class Meta:
        db_table = "dr_enrolment"
        constraints = [
            models.UniqueConstraint(
                fields=["programme", "node"],
                condition=Q(left_at__isnull=True),
                name="dr_enrolment_once",
            ),
            models.CheckConstraint(
                name="dr_enrolment_period",
                condition=Q(left_at__isnull=True) | Q(left_at__gte=F("joined_at")),
            ),
        ]


class Exemption(TenantRow):
    """A place that no event may ask, nor anything below it: excluded, or vulnerable."""

    node = inside("storage.Node")
    kind = word()
    reason = models.CharField(max_length=500)
    author = models.CharField(max_length=150)
    at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.CharField(max_length=150, blank=True, default="")

    class Meta:
        db_table = "dr_exemption"
        constraints = [
            one_of("dr_exemption", "kind", "excluded", "vulnerable"),
            models.UniqueConstraint(
                fields=["node", "kind"],
                condition=Q(ended_at__isnull=True),
                name="dr_exemption_once",
            ),
        ]


class Event(TenantRow):
    """A call of a programme for less load. `steps` is what is asked, in order of time.

    `epoch` grows with every change of its call, `called_at` is when it did; `topics` is where the
    broker may hold the call until `expires`. `preview` is what was computed before it was
    announced, kept as it was; `result` what came of it.
    """

    programme = inside("storage.Programme")
    node = inside("storage.Node")
    code = models.CharField(max_length=64)
    kind = word()
    state = word(default="draft")
    emergency = models.BooleanField(default=False)
    priority = models.SmallIntegerField()
    steps = models.JSONField()
    starts = models.DateTimeField()
    ends = models.DateTimeField()
    reason = models.CharField(max_length=500)
    author = models.CharField(max_length=150)
    user = inside("storage.User", null=True, blank=True)
    trigger = inside("storage.Trigger", null=True, blank=True)
    approver = models.CharField(max_length=150, blank=True, default="")
    approver_user = inside("storage.User", null=True, blank=True)
    approved_at = models.DateTimeField(null=True, blank=True)
    created = models.DateTimeField()
    announced_at = models.DateTimeField(null=True, blank=True)
    active_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    wanted_kw = kilowatts(null=True, blank=True)
    expected_kw = models.FloatField(null=True, blank=True)
    expected_sd_kw = models.FloatField(null=True, blank=True)
    preview = models.JSONField(null=True, blank=True)
    result = models.JSONField(null=True, blank=True)
    seed = models.BigIntegerField()
    start_spread_s = models.IntegerField()
    release_spread_s = models.IntegerField()
    expires = models.DateTimeField(null=True, blank=True)
    epoch = models.BigIntegerField(default=0)
    called_at = models.DateTimeField(null=True, blank=True)
    topics = models.JSONField(default=list)

    class Meta:
        db_table = "dr_event"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "code"], name="dr_event_code_unique"),
            code_check("dr_event"),
            one_of("dr_event", "kind", "limit", "reduce", "eco"),
            one_of("dr_event", "state", "draft", "announced", "active", "ended", "cancelled"),
            models.CheckConstraint(name="dr_event_period", condition=Q(ends__gt=F("starts"))),
            models.CheckConstraint(name="dr_event_priority", condition=Q(priority__range=(0, 9))),
        ]
        indexes = [
            models.Index(fields=["programme", "-starts"], name="dr_event_of_programme"),
            models.Index(
                fields=["starts"],
                condition=Q(state__in=["announced", "active"]),
                name="dr_event_live",
            ),
        ]


class OptOut(TenantRow):
    """A place that left an event: it is not asked any more."""

    event = inside("storage.Event")
    node = inside("storage.Node")
    at = models.DateTimeField()
    author = models.CharField(max_length=150)
    reason = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        db_table = "dr_opt_out"
        constraints = [
            models.UniqueConstraint(fields=["event", "node"], name="dr_opt_out_once"),
        ]


class Trigger(TenantRow):
    """A rule that proposes events of a programme at a node, or makes them up to `cap_kw`."""

    programme = inside("storage.Programme")
    node = inside("storage.Node")
    code = models.CharField(max_length=64)
    title = models.CharField(max_length=200, blank=True)
    kind = word()
    parameters = models.JSONField(default=dict)
    mode = word(default="propose")
    cap_kw = kilowatts()
    enabled = models.BooleanField(default=True)
    author = models.CharField(max_length=150)
    created = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "dr_trigger"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "code"], name="dr_trigger_code_unique"),
            code_check("dr_trigger"),
            one_of("dr_trigger", "mode", "propose", "act"),
            models.CheckConstraint(name="dr_trigger_cap", condition=Q(cap_kw__range=(0, ROOM))),
        ]
