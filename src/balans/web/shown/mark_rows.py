"""Marks "temporarily incorrect" as pages show them."""

from collections.abc import Iterable
from typing import Any
from zoneinfo import ZoneInfo

from balans.storage.marks import MarkInfo
from balans.web.shown.days import full_moment
from balans.web.shown.names import named


def mark_rows(marks: Iterable[MarkInfo], zone: ZoneInfo) -> list[dict[str, Any]]:
    """Return `marks` in the reader's language, times in `zone`."""
    return [
        {
            "id": mark.id,
            "point": named(mark.point_name),
            "point_code": mark.point_code,
            "place": named(mark.node_name),
            "start": full_moment(mark.start, zone),
            "start_iso": mark.start.isoformat(),
            "end": full_moment(mark.end, zone) if mark.end else "",
            "reason": mark.reason,
            "author": mark.author,
            "made": full_moment(mark.made_at, zone),
            "ended_by": mark.ended_by,
            "void": mark.void,
        }
        for mark in marks
    ]
