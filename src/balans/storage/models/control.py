"""Loads, consents, tariff zones and limits of a site, and the commands to its loads."""

from django.db import models
from django.db.models import F, Q

from balans.core.words import CommandState, LimitSource, LoadClass, Phase
from balans.protocols.hub import LimitPeriod
from balans.storage.models.fields import code_check, inside, period_check, word, word_check
from balans.storage.models.tree import Period, TenantRow


class Load(TenantRow):
    """A controllable consumer. `name` is unique in its site, where it stands in topics."""

    site = inside("storage.Node")
    node = inside("storage.Node")
    name = models.CharField(max_length=64)
    title = models.CharField(max_length=200, blank=True)
    load_class = word()
    rated_w = models.FloatField()
    phase = word(null=True, blank=True)
    max_off_s = models.IntegerField(null=True, blank=True)  # yellow only
    min_on_s = models.IntegerField(default=0)
    recover = models.CharField(max_length=8, default="defer")  # defer | lose
    deadline = models.TimeField(null=True, blank=True)  # green, local to the site
    actuator = inside("storage.Module", null=True, blank=True)
    sub_meter = inside("storage.MeteringPoint", null=True, blank=True)
    released = models.BooleanField(default=False)  # as registered; the owner's consents go on

    class Meta:
        db_table = "load"
        constraints = [
            models.UniqueConstraint(fields=["site", "name"], name="load_name_unique"),
            code_check("load", "name"),
            word_check("load", "load_class", LoadClass),
            word_check("load", "phase", Phase),
            models.CheckConstraint(
                name="load_recover_word", condition=Q(recover__in=["defer", "lose"])
            ),
            models.CheckConstraint(
                name="load_yellow_timer",
                condition=Q(load_class="yellow", max_off_s__range=(420, 900))
                | (~Q(load_class="yellow") & Q(max_off_s__isnull=True)),
            ),
            models.CheckConstraint(
                name="load_not_negative", condition=Q(rated_w__gte=0, min_on_s__gte=0)
            ),
        ]


class Consent(TenantRow):
    """What the owner of a load allows from `at` on: the newest row of a load holds.

    Rows are written and read, never changed: they are their own history.
    """

    load = inside("storage.Load")
    at = models.DateTimeField()
    released = models.BooleanField()
    paused_until = models.DateTimeField(null=True, blank=True)
    author = models.CharField(max_length=150)
    user = inside("storage.User", null=True, blank=True)

    class Meta:
        db_table = "load_consent"
        indexes = [models.Index(fields=["load", "-id"], name="load_consent_newest")]


class TariffZone(TenantRow, Period):
    """Hours of the day with a price; what no zone covers is zone ``day``."""

    node = inside("storage.Node")
    name = models.CharField(max_length=64)
    from_time = models.TimeField()
    to_time = models.TimeField()
    price = models.DecimalField(max_digits=12, decimal_places=6)  # per kWh
    currency = models.CharField(max_length=3)

    class Meta:
        db_table = "tariff_zone"
        constraints = [period_check("tariff_zone")]


class Limit(TenantRow, Period):
    """Power, current or energy not to be exceeded at a node; of all the strictest holds.

    `interval_s` 0 binds at every step, 900 or 3600 the mean over the clock-aligned interval, which
    may rise to the month's highest so far with `follows_peak`. `kw` NULL: a limit on the current of
    each phase alone, `phase_a`, or on the energy of each `period`, `kwh`. `author` and `ended_by`
    are accounts that set it, and took it back before its time.
    """

    node = inside("storage.Node")
    name = models.CharField(max_length=64)
    source = word()
    kw = models.DecimalField(max_digits=12, decimal_places=3, null=True)
    phase_a = models.DecimalField(max_digits=9, decimal_places=2, null=True)
    kwh = models.DecimalField(max_digits=12, decimal_places=3, null=True)
    period = word(default=LimitPeriod.DAY.value)
    follows_peak = models.BooleanField(default=False)
    interval_s = models.IntegerField(default=0)
    zone = models.CharField(max_length=64, blank=True)
    from_time = models.TimeField(null=True, blank=True)
    to_time = models.TimeField(null=True, blank=True)
    author = models.CharField(max_length=150, blank=True, default="")
    ended_by = models.CharField(max_length=150, blank=True, default="")

    class Meta:
        db_table = "site_limit"
        constraints = [
            period_check("site_limit"),
            word_check("site_limit", "source", LimitSource),
            word_check("site_limit", "period", LimitPeriod),
            models.CheckConstraint(
                name="site_limit_not_negative",
                condition=(Q(kw__isnull=True) | Q(kw__gte=0))
                & (Q(phase_a__isnull=True) | Q(phase_a__gte=0))
                & (Q(kwh__isnull=True) | Q(kwh__gte=0))
                & (Q(kw__isnull=False) | Q(phase_a__isnull=False) | Q(kwh__isnull=False))
                & Q(interval_s__range=(0, 86_400)),
            ),
            models.CheckConstraint(
                name="site_limit_hours",
                condition=Q(from_time__isnull=True, to_time__isnull=True)
                | Q(from_time__isnull=False, to_time__isnull=False),
            ),
        ]


class Command(TenantRow):
    """A switching of a load: an operator's, a consumer's, or load control's own."""

    code = models.CharField(max_length=64)  # the id on the wire
    site = inside("storage.Node")
    load = inside("storage.Load", null=True, blank=True)
    load_name = models.CharField(max_length=64)
    on = models.BooleanField()
    author = models.CharField(max_length=500)
    user = inside("storage.User", null=True, blank=True)
    reason = models.CharField(max_length=500)
    created = models.DateTimeField()
    expires = models.DateTimeField()
    state = word()
    limit_name = models.CharField(max_length=500, blank=True)
    expected_w = models.FloatField(default=0.0)
    achieved_w = models.FloatField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    detail = models.CharField(max_length=500, blank=True)

    class Meta:
        db_table = "command"
        constraints = [
            models.UniqueConstraint(fields=["site", "code"], name="command_code_unique"),
            word_check("command", "state", CommandState),
            models.CheckConstraint(name="command_expiry", condition=Q(expires__gte=F("created"))),
        ]
        indexes = [
            models.Index(fields=["site", "-created"], name="command_recent"),
            models.Index(
                fields=["site", "-created"],
                condition=Q(user__isnull=False),
                name="command_by_people",
            ),
            models.Index(
                fields=["expires"], condition=Q(state__in=["queued", "sent"]), name="command_open"
            ),
        ]


class CommandEvent(TenantRow):
    """The audit row of a change of state. Each state is entered at most once."""

    command = inside("storage.Command")
    state = word()
    at = models.DateTimeField()
    detail = models.CharField(max_length=500, blank=True)

    class Meta:
        db_table = "command_event"
        constraints = [
            models.UniqueConstraint(fields=["command", "state"], name="command_event_unique"),
            word_check("command_event", "state", CommandState),
        ]
