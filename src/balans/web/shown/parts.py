"""Parts of pages that change seldom: fetched anew when what stands behind them has changed."""

import zlib
from datetime import datetime

from balans.storage.live import LiveStatus


def parts_version(last: LiveStatus | None, plan_made: datetime | None) -> str:
    """Return a short text that differs when plan, fairness or what gateways allow has changed.

    The page carries it, and the stream tells it: so a change between the two is not missed.
    """
    loads = last.status.loads if last else ()
    seen = [(load.name, load.released, load.paused_until) for load in loads]
    given = [round(load.given_kwmin) for load in loads]
    return f"{zlib.crc32(repr((plan_made, seen, given)).encode()):08x}"
