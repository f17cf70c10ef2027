"""Set the simulator's plants beside recorded appliances, and fail where they are too far off.

    python tools/check_plants.py ../shared/data
    python tools/check_plants.py ../shared/data --json
    python tools/check_plants.py ../shared/data --write docs/reference/plants.md

The folder holds ``appliances_de_1s`` and ``household_fr_1min``; what is absent is left out and
named. Typical parameters are those that the simulator uses for houses; nothing in them comes from
these recordings. Fitted ones come from one part of a recording and are checked on another.
Exit code: 0 all within bounds, 1 a figure out of its bound, 2 bad input.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))

import plant_fits as fits
import plant_records as records
from plant_records import Floats, RecordError

from balans.core.errors import InputError
from balans.simulator.plants import cooling, cycles, red

APPLIANCES, HEATER = "appliances_de_1s", "household_fr_1min/household_power_2008.csv.gz"
NOON_S = 43_200
BREAK_S = 1_800
"""A machine idle for half an hour has ended its programme."""

FIT_DAYS, CHECK_DAYS = slice(0, 60), slice(305, 366)
"""Water heater: fitted on January and February, checked on November and December; in summer the
sub-meter counts an air-conditioner too."""

BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"

Bounds = dict[str, tuple[float, float]]
BOUNDS: dict[str, Bounds] = {
    "cold": {
        "power on [W]": (1.5, 1.1),
        "run [min]": (2.5, 1.25),
        "period [min]": (2.5, 1.25),
        "duty [%]": (2.5, 1.4),
        "energy a day [Wh]": (2.5, 1.4),
        "start peak [1]": (4.0, 1.7),
    },
    "program": {
        "energy [Wh]": (2.5, 1.25),
        "length [min]": (2.5, 1.25),
        "power heating [W]": (1.5, 1.1),
        "heating [min]": (2.5, 1.25),
        "until heating [min]": (2.5, 1.25),
    },
    "kettle": {
        "power on [W]": (1.5, 1.1),
        "energy [Wh]": (2.5, 1.25),
        "length [s]": (2.5, 1.25),
    },
    "heater": {
        "power on [W]": (2.5, 1.1),
        "duty [%]": (3.0, 1.25),
        "energy a day [Wh]": (2.5, 1.25),
        "runs a day": (3.0, 2.0),
        "run, median [min]": (3.0, 2.0),
        "run, 90 % [min]": (10.0, 4.0),
    },
}
"""Largest factor between plant and recording, with typical and with fitted parameters. Typical
parameters stand for the mean household, so a single appliance may differ by more than two; they
must have the right size. Runs of a water heater are habits of people more than physics."""

SLACK = {"until heating [min]": 20.0}
"""Differences up to this hold whatever the factor: a prerinse takes 20 minutes or none."""

KNOWN = {
    ("dryer", "D36122_2012.01.24", "fitted", "length [min]"): "after the last programme the drum "
    "went on in pulses for 25 minutes, after the first for seven",
}
"""Figures that are out of bound for a reason that no plant can know; they do not fail."""


class Row(NamedTuple):
    """One figure: recorded, by the plant, largest factor between them."""

    appliance: str
    recording: str
    parameters: str
    figure: str
    recorded: float
    plant: float
    bound: float

    @property
    def error(self) -> float | None:
        """How much the plant is above the recording [%]; None where nothing was recorded."""
        return 100 * (self.plant / self.recorded - 1) if self.recorded else None

    @property
    def holds(self) -> bool:
        """Whether the factor between both is within its bound."""
        low, high = sorted((self.recorded, self.plant))
        within = low >= 0 and high <= self.bound * low
        return within or high - low <= SLACK.get(self.figure, 0.0)

    @property
    def verdict(self) -> str:
        """Empty, or ``out`` of bound, or ``known`` to be out."""
        known = (self.appliance, self.recording, self.parameters, self.figure) in KNOWN
        return "" if self.holds else "known" if known else "out"


def compare(
    place: tuple[str, str, str], kind: str, recorded: dict[str, float], plant: dict[str, float]
) -> Iterator[Row]:
    """Yield a row for each figure; `place` is appliance, recording and parameters."""
    for figure, bounds in BOUNDS[kind].items():
        if figure not in recorded:
            continue
        bound = bounds[0 if place[2] == "typical" else 1]
        yield Row(*place, figure, recorded[figure], plant[figure], bound)


def cold_rows(folder: Path, missing: list[str]) -> Iterator[Row]:
    """Compare refrigerators (afternoon, fitted on the morning) and a freezer (next day)."""
    for name in ("Refrigerator_Refrigerator_2012.01.05", "Refrigerator_dev_599393_2012.01.20"):
        day = _trace(folder, name, missing)
        if day is not None:
            label = ("refrigerator", name.removeprefix("Refrigerator_"))
            yield from _cold(label, cooling.FRIDGE, day[:NOON_S], day[NOON_S:])
    days = [_trace(folder, f"Freezer_dev_D36601_2012.01.{n}", missing) for n in (21, 22)]
    if days[0] is not None and days[1] is not None:
        label = ("freezer", "dev_D36601_2012.01.22")
        yield from _cold(label, cooling.FREEZER, days[0], days[1])


def _cold(
    label: tuple[str, str], cycle: cooling.Cycle, fit: Floats, check: Floats
) -> Iterator[Row]:
    recorded = records.cold_features(check, 1.0)
    recorded["start peak [1]"] = records.start_ratio(check)
    typical = fits.cold_day(cooling.ColdData.from_cycle(cycle))
    fitted = fits.cold_day(fits.fitted_cold(fit, cycle.set_c))
    yield from compare((*label, "typical"), "cold", recorded, typical)
    yield from compare((*label, "fitted"), "cold", recorded, fitted)


MACHINES = (
    ("washing machine", "Washingmachine_dev_11F01E_2011.12.10", cycles.WASHING_40),
    ("washing machine", "Washingmachine_dev_D3230E_2012.01.09", cycles.WASHING_40),
    ("dishwasher", "Dishwasher_dev_B82F81_2011.08.16", cycles.DISHWASHER_55),
    ("dishwasher", "Dishwasher_dev_B7E6FA_2012.01.15", cycles.DISHWASHER_55),
    ("dryer", "LaundryDryer__D36122_2012.01.24", cycles.DRYER),
    ("dryer", "LaundryDryer_dev_B7E43D_2012.01.15", cycles.DRYER),
)


def machine_rows(folder: Path, missing: list[str]) -> Iterator[Row]:
    """Compare machines: typical with the mean of the day; the first programme with the last.

    How long a dryer works depends on how wet the laundry is, which nobody recorded: its fitted
    programme is stretched to the energy of the last one, and energy is no figure then.
    """
    for appliance, name, program in MACHINES:
        day = _trace(folder, name, missing)
        if day is None:
            continue
        found = list(records.programs_of(day, BREAK_S))
        if not found:
            raise RecordError(f"{name}: no programme")
        figures = [records.program_features(one) for one in found]
        mean = {key: sum(one[key] for one in figures) / len(figures) for key in figures[0]}
        label = appliance, name.split("_", 1)[1].strip("_")
        yield from compare((*label, "typical"), "program", mean, fits.program_day(program))
        last, first = figures[-1], fits.fitted_program(found[0])
        fitted = "fitted" if len(found) > 1 else "fitted, in sample"
        if appliance == "dryer":
            cold_wh = first.energy_wh - first.heating_wh
            first = first.loaded((last.pop("energy [Wh]") - cold_wh) / first.heating_wh)
        yield from compare((*label, fitted), "program", last, fits.program_day(first))


def kettle_rows(folder: Path, missing: list[str]) -> Iterator[Row]:
    """Compare a kettle: typical filling; and power of one day with the energy of the next."""
    days = [_trace(folder, f"WaterKettle_dev_599771_2011.08.{n}", missing) for n in (17, 23)]
    if days[0] is None or days[1] is None:
        return
    first, boils = fits.kettle_features(days[0])[0], fits.kettle_features(days[1])
    recorded = {key: sum(boil[key] for boil in boils) / len(boils) for key in boils[0]}
    litres = sum(red.KETTLE_L) / 2
    length_s = float(red.kettle_s(litres))
    plant = {
        "power on [W]": red.KETTLE_W,
        "energy [Wh]": red.KETTLE_W * length_s / 3_600,
        "length [s]": length_s,
    }
    label = "kettle", "dev_599771_2011.08.23"
    yield from compare((*label, "typical"), "kettle", recorded, plant)
    power = first["power on [W]"]
    fitted = {"power on [W]": power, "length [s]": recorded["energy [Wh]"] * 3_600 / power}
    given = {key: value for key, value in recorded.items() if key in fitted}
    yield from compare((*label, "fitted"), "kettle", given, fitted)


def heater_rows(folder: Path, missing: list[str]) -> Iterator[Row]:
    """Compare a water heater."""
    path = folder / HEATER
    if not path.exists():
        missing.append(HEATER)
        return
    power = records.read_heater(path)
    if len(power) < CHECK_DAYS.stop:
        raise RecordError(f"{path}: {len(power)} days, expected {CHECK_DAYS.stop}")
    recorded = records.heater_features(power[CHECK_DAYS])
    label = "water heater", "household_fr 2008-11, 12"
    typical = records.heater_features(fits.tank_days(fits.typical_tank(), CHECK_DAYS.start))
    yield from compare((*label, "typical"), "heater", recorded, typical)
    data, habits = fits.fitted_tank(power[FIT_DAYS])
    fitted = records.heater_features(fits.tank_days(data, CHECK_DAYS.start, habits))
    yield from compare((*label, "fitted"), "heater", recorded, fitted)


CHECKS: tuple[Callable[[Path, list[str]], Iterator[Row]], ...] = (
    cold_rows,
    machine_rows,
    kettle_rows,
    heater_rows,
)


def _trace(folder: Path, name: str, missing: list[str]) -> Floats | None:
    path = folder / APPLIANCES / f"{name}.csv.gz"
    if path.exists():
        return records.read_trace(path)
    missing.append(path.name)
    return None


def all_rows(folder: Path) -> tuple[list[Row], list[str]]:
    """Return all figures, and the names of recordings that are absent.

    Raises
    ------
    RecordError
        If there is no recording at all, or one cannot be read.
    """
    missing: list[str] = []
    rows = [row for check in CHECKS for row in check(folder, missing)]
    if not rows:
        raise RecordError(f"{folder}: no recording of {APPLIANCES} or {HEATER}")
    return rows, missing


def table(rows: list[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        "| appliance | recording | parameters | figure | recorded | plant | error % | bound × | |",
        "|---|---|---|---|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        error = "" if row.error is None else f"{row.error:+.0f}"
        figures = (f"{row.recorded:.4g}", f"{row.plant:.4g}", error, f"{row.bound:g}", row.verdict)
        lines.append("| " + " | ".join((*row[:4], *figures)) + " |")
    return "\n".join(lines)


def write(page: Path, text: str) -> None:
    """Replace what stands between the marks of `page` by `text`.

    Raises
    ------
    RecordError
        If the page has no marks.
    """
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise RecordError(f"{page}: expected the marks {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="folder of recordings, such as ../shared/data")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into a page")
    options = parser.parse_args(arguments)
    try:
        rows, missing = all_rows(options.folder)
        if options.write:
            write(options.write, table(rows))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    if options.json:
        found = [
            {**row._asdict(), "error_percent": row.error, "verdict": row.verdict} for row in rows
        ]
        print(json.dumps({"figures": found, "missing": missing}, indent=2))
    else:
        print(table(rows))
        for name in missing:
            print(f"absent: {name}")
    return 1 if any(row.verdict == "out" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
