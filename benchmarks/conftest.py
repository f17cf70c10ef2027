"""States machine and noise, and the 99th percentiles that pytest-benchmark's table lacks.

The same piece of work is timed before the first benchmark and after the last: what it varies by,
the figures may vary by as well.
"""

from typing import Any

import numpy as np
import pytest
from benchmarks.machine import Noise, calibrate, describe

ENOUGH_ROUNDS = 1000
BEFORE = pytest.StashKey[Noise]()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.stash[BEFORE] = calibrate()


def pytest_benchmark_update_machine_info(
    config: pytest.Config, machine_info: dict[str, Any]
) -> None:
    machine_info["described"] = describe()
    machine_info["noise_before"] = config.stash[BEFORE].told()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    session = getattr(config, "_benchmarksession", None)
    measured = session.benchmarks if session else ()
    if not measured:
        return
    for one in measured:
        if len(one.stats.data) >= ENOUGH_ROUNDS:
            p99_us = float(np.quantile(one.stats.data, 0.99)) * 1e6
            terminalreporter.write_line(f"{one.name}: 99th percentile {p99_us:.1f} us")
    terminalreporter.section("machine and its noise")
    for name, text in describe().items():
        terminalreporter.write_line(f"{name}: {text}")
    terminalreporter.write_line(f"the same work before: {config.stash[BEFORE].told()}")
    terminalreporter.write_line(f"the same work after:  {calibrate().told()}")
