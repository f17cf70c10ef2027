"""What machine the figures are from, and how far its clock can be trusted while it is shared."""

import os
import platform
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

ROUNDS = 40
LOOP = 60_000
SIDE = 160


@dataclass(frozen=True, slots=True)
class Noise:
    """Times of one and the same piece of work, repeated [ms]: wall clock and processor."""

    wall_ms: tuple[float, ...]
    processor_ms: tuple[float, ...]

    def told(self) -> str:
        """Return median and spread in words."""
        return f"wall {_spread(self.wall_ms)}; processor {_spread(self.processor_ms)}"


def _spread(times_ms: tuple[float, ...]) -> str:
    low, first, median, third, high = np.quantile(times_ms, [0.05, 0.25, 0.5, 0.75, 0.95])
    return (
        f"median {median:.2f} ms, middle half {first:.2f} to {third:.2f}, "
        f"5 to 95 % {low:.2f} to {high:.2f} ({high / median - 1:+.0%})"
    )


def calibrate(rounds: int = ROUNDS) -> Noise:
    """Do the same work again and again: a loop of Python and a product of matrices."""
    matrix = np.random.default_rng(0).random((SIDE, SIDE))
    wall: list[float] = []
    processor: list[float] = []
    for _ in range(rounds):
        began, began_cpu = time.perf_counter(), time.thread_time()
        total = 0
        for number in range(LOOP):
            total += number & 7
        (matrix @ matrix).sum()
        wall.append((time.perf_counter() - began) * 1000)
        processor.append((time.thread_time() - began_cpu) * 1000)
    return Noise(tuple(wall), tuple(processor))


def describe() -> dict[str, str]:
    """Return the machine in words."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return {
        "processor": f"{os.cpu_count()} x {_cpu_model()}",
        "memory": f"{_memory_gib():.0f} GiB",
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "software": f"Python {platform.python_version()}, numpy {version('numpy')}",
        "load": f"{load} (1, 5, 15 min)",
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or "unknown"


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
