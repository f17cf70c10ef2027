"""Dials of an import: what meters that no channel counts showed, accepted as they are.

Who may import them may judge them. Call inside a scope.
"""

from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal

from balans.core.hours import EPOCH, EPOCH_UNIX_S
from balans.domain.metering import ManualSource, ManualState
from balans.storage import dials
from balans.storage.balance_dirty import mark_points
from balans.storage.models import ManualReading
from balans.usecases.import_findings import Noticing
from balans.usecases.import_readings import PARTS
from balans.usecases.reading_sources import ReadDials

REASON = "imported"


def new_dials(
    tenant_id: int, read: ReadDials, author: str, now: datetime, noticing: Noticing
) -> list[ManualReading]:
    """Return the dials that are not known yet as rows, not saved; tell of those that differ."""
    there = {
        (point, at): dial
        for point, at, dial in ManualReading.objects.filter(
            tenant_id=tenant_id,
            point_id__in=set(read.point_id.tolist()),
            state=ManualState.ACCEPTED.value,
        ).values_list("point_id", "at", "dial")
    }
    found = []
    columns = (read.point_id, read.time_s, read.dial, read.line)
    for point, time_s, parts, line in zip(*(c.tolist() for c in columns), strict=True):
        at = EPOCH + timedelta(seconds=time_s - EPOCH_UNIX_S)
        dial = Decimal(parts) / PARTS
        held = there.get((point, at))
        if at > now:
            noticing.error(line, "time", "", f"time: {at.isoformat()} is still to come")
        elif held is None:
            there[point, at] = dial
            found.append(_row(tenant_id, point, at, dial, author, now))
        elif held != dial:
            what = f"dial {dial} at {at.isoformat()}: {held} is stored and kept"
            noticing.warn(line, "stored_differs", "", what)
    return found


def _row(
    tenant_id: int, point: int, at: datetime, dial: Decimal, author: str, now: datetime
) -> ManualReading:
    return ManualReading(
        tenant_id=tenant_id,
        point_id=point,
        at=at,
        dial=dial,
        source=ManualSource.WALK_BY.value,
        state=ManualState.ACCEPTED.value,
        author=author,
        made_at=now,
        reviewer=author,
        reviewed_at=now,
        reason=REASON,
    )


def accept_dials(rows: list[ManualReading]) -> None:
    """Save dials that are new, and note that what lies between them is another than before."""
    ManualReading.objects.bulk_create(rows, 5_000)
    times: dict[int, list[datetime]] = defaultdict(list)
    for row in rows:
        times[row.point_id].append(row.at)
    for point, own in times.items():
        before, _ = dials.neighbours(point, min(own))
        _, after = dials.neighbours(point, max(own))
        mark_points([point], before, after)
