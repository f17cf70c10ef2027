"""Prints the 99th percentile of each benchmark, which the table of pytest-benchmark lacks."""

from typing import Any

import numpy as np
import pytest

ENOUGH_ROUNDS = 1000


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    session = getattr(config, "_benchmarksession", None)
    for one in session.benchmarks if session else ():
        if len(one.stats.data) >= ENOUGH_ROUNDS:
            p99_us = float(np.quantile(one.stats.data, 0.99)) * 1e6
            terminalreporter.write_line(f"{one.name}: 99th percentile {p99_us:.1f} us")
