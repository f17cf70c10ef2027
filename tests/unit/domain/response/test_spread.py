"""Seeded delays: uniform, the same everywhere, different for start and release."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest

from balans.core.errors import InputError
from balans.domain.response.spread import (
    delay_s,
    release_delay_s,
    release_delays_s,
    start_delay_s,
)

GOLDEN = [
    (7, "release:flat-0001", 600.0, 102.07847548573885),
    (0, "", 1.0, 0.6848974799809221),
    (2**64 - 1, "start:дом 1", 900.0, 517.417841727442),
]
CHI_SQUARE_19_999 = 43.82
"""The 99.9 % point of chi-square with 19 degrees of freedom (tables)."""


@pytest.mark.parametrize(("seed", "name", "width_s", "delay"), GOLDEN)
def test_the_delay_of_a_name_never_changes(
    seed: int, name: str, width_s: float, delay: float
) -> None:
    assert delay_s(seed, name, width_s) == delay


def test_another_process_comes_to_the_same_delays() -> None:
    code = (
        "from balans.domain.response.spread import release_delays_s as f;"
        "print(f(5, [str(n) for n in range(20)], 600.0).tolist())"
    )
    command = [sys.executable, "-c", code]
    told = []
    for hashing in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": hashing}
        told.append(subprocess.run(command, capture_output=True, text=True, check=True, env=env))
    here = release_delays_s(5, [str(n) for n in range(20)], 600.0).tolist()
    assert [one.stdout for one in told] == [f"{here}\n"] * 2


@pytest.mark.parametrize("seed", [0, 1, 2**40])
def test_delays_are_uniform_over_names(seed: int) -> None:
    delays = release_delays_s(seed, [f"site-{n}" for n in range(10_000)], 1.0)
    counts = np.histogram(delays, bins=20, range=(0.0, 1.0))[0]
    chi_square = float(((counts - 500) ** 2 / 500).sum())
    assert chi_square < CHI_SQUARE_19_999
    assert delays.min() >= 0
    assert delays.max() < 1


def test_delays_are_uniform_over_seeds_and_do_not_go_together() -> None:
    start = np.array([start_delay_s(seed, "a", 1.0) for seed in range(4000)])
    release = np.array([release_delay_s(seed, "a", 1.0) for seed in range(4000)])
    counts = np.histogram(start, bins=20, range=(0.0, 1.0))[0]
    assert float(((counts - 200) ** 2 / 200).sum()) < CHI_SQUARE_19_999
    assert abs(float(np.corrcoef(start, release)[0, 1])) < 4 / math.sqrt(4000)


def test_no_width_is_no_delay_and_the_width_itself_is_never_reached() -> None:
    assert delay_s(3, "a", 0.0) == 0.0
    assert all(delay_s(3, str(n), 5e-324) == 0.0 for n in range(50))


@pytest.mark.parametrize(("seed", "width_s"), [(-1, 1.0), (2**64, 1.0), (1, -1.0), (1, math.nan)])
def test_what_is_out_of_range_is_refused(seed: int, width_s: float) -> None:
    with pytest.raises(InputError, match=r"expected 0"):
        delay_s(seed, "a", width_s)
