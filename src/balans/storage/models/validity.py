"""What people say about readings: marks that a point is wrong for a while, dials read by eye."""

from django.db import models
from django.db.models import Q

from balans.domain.metering.words import ManualSource, ManualState
from balans.storage.models.fields import inside, period_check, word, word_check
from balans.storage.models.tree import Period, TenantRow


class PointMark(TenantRow, Period):
    """A metering point is "temporarily incorrect" over a period: what it used is unknown.

    A mark that was a mistake is `void`: it says nothing any more and stays for the record.
    """

    point = inside("storage.MeteringPoint")
    reason = models.CharField(max_length=500)
    author = models.CharField(max_length=150)
    made_at = models.DateTimeField()
    ended_by = models.CharField(max_length=150, blank=True, default="")
    ended_at = models.DateTimeField(null=True, blank=True)
    void = models.BooleanField(default=False)

    class Meta:
        db_table = "point_mark"
        constraints = [period_check("point_mark")]
        indexes = [models.Index(fields=["point", "valid_from"], name="point_mark_point")]


class ManualReading(TenantRow):
    """What the face of a point's meter showed at a time [Wh, varh or l], as a person read it.

    It counts once it is accepted. Its photo stands in the table ``manual_photo``.
    """

    point = inside("storage.MeteringPoint")
    at = models.DateTimeField()
    dial = models.DecimalField(max_digits=18, decimal_places=3)
    source = word()
    state = word(default=ManualState.PROPOSED.value)
    note = models.CharField(max_length=500, blank=True, default="")
    author = models.CharField(max_length=150)
    made_at = models.DateTimeField()
    reviewer = models.CharField(max_length=150, blank=True, default="")
    reviewed_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        db_table = "manual_reading"
        constraints = [
            word_check("manual_reading", "source", ManualSource),
            word_check("manual_reading", "state", ManualState),
            models.CheckConstraint(name="manual_reading_dial", condition=Q(dial__gte=0)),
            models.UniqueConstraint(
                fields=["point", "at"],
                condition=Q(state=ManualState.ACCEPTED.value),
                name="manual_reading_accepted_once",
            ),
        ]
        indexes = [
            models.Index(fields=["point", "at"], name="manual_reading_point"),
            models.Index(
                fields=["at"],
                condition=Q(state=ManualState.PROPOSED.value),
                name="manual_reading_open",
            ),
        ]
