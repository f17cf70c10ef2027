"""The mark above which events of a programme need a second person, and who may loosen it."""

from django.db import models
from django.db.models import F, Q

from balans.storage.models.fields import inside
from balans.storage.models.response import kilowatts, one_of
from balans.storage.models.tree import TenantRow


class MarkChange(TenantRow):
    """Somebody wants a looser mark for a programme: `kw`, or none at all.

    It counts once another person has approved it; the database holds that the two differ.
    """

    programme = inside("storage.Programme")
    kw = kilowatts(null=True, blank=True)
    author = models.CharField(max_length=150)
    user = inside("storage.User")
    created = models.DateTimeField()
    verdict = models.CharField(max_length=24, default="open")
    decider = models.CharField(max_length=150, blank=True, default="")
    decider_user = inside("storage.User", null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "dr_mark_change"
        constraints = [
            one_of("dr_mark_change", "verdict", "open", "approved", "withdrawn"),
            models.CheckConstraint(
                name="dr_mark_change_two",
                condition=Q(decider_user__isnull=False) & ~Q(decider_user=F("user"))
                | ~Q(verdict="approved"),
            ),
            models.UniqueConstraint(
                fields=["programme"], condition=Q(verdict="open"), name="dr_mark_change_once"
            ),
        ]
