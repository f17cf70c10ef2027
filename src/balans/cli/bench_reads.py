"""How long reads take after ``balans bench ingest``: medians on a warm cache [ms]."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from balans.storage.readings import registers
from balans.storage.scope import system_scope

if TYPE_CHECKING:
    from balans.cli.bench_ingest_run import IngestRun

ROUNDS = 41
MONTH_H, YEAR_H = 31 * 24, 365 * 24


def time_reads(run: "IngestRun") -> dict[str, float]:
    """Return medians of reading what the run has stored; longer spans end where it ends."""
    ids = run.channels.tolist()
    rng = np.random.default_rng(5)
    scattered = sorted(rng.choice(ids, min(10_000, len(ids)), replace=False).tolist())
    start, hours = run.town.start, run.town.hours
    found = {}
    with system_scope():
        for name, channels, span in (
            ("channel_month", ids[len(ids) // 2 :][:1], MONTH_H),
            ("channel_year", ids[len(ids) // 2 :][:1], YEAR_H),
            ("100_channels_30_days", ids[:100], 30 * 24),
            ("10000_channels_day", scattered, 25),
        ):
            end = start + min(span, hours)
            found[name] = _median_ms(lambda c=channels, e=end: registers(c, start, e))  # type: ignore[misc]
    return found


def _median_ms(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        began_s = time.perf_counter()
        work()
        times.append(time.perf_counter() - began_s)
    return round(float(np.median(times)) * 1000, 3)
