"""``balans bench plan``: the planner on a recorded house, beside perfect foresight."""

import time
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import numpy as np
import typer

from balans.cli.common import AsJson, print_json
from balans.core.errors import InputError

EXAMPLE = "Example: balans bench plan house.csv.gz --from 2016-01-01 --days 60 --json"


def plan(
    file: Annotated[
        Path, typer.Argument(metavar="HOUSE.csv", help="Hourly counters of a house [kWh]; .gz too.")
    ],
    begin: Annotated[
        str, typer.Option("--from", metavar="DATE", help="First day, local.")
    ] = "2016-01-01",
    days: Annotated[int, typer.Option(min=1, max=366, help="How many days.")] = 60,
    timezone: Annotated[str, typer.Option(help="Time zone of the house.")] = "Europe/Berlin",
    scenarios: Annotated[int, typer.Option(min=1, max=20, help="Courses planned for.")] = 6,
    as_json: AsJson = False,
) -> None:
    """Compare the planner with no control, the usual battery rule, and perfect foresight."""
    from balans.cli.simulate import read_text
    from balans.usecases.compare_plan import compare_plan
    from balans.usecases.house_record import read_house
    from balans.usecases.house_replay import HouseReplay
    from balans.usecases.house_terms import Terms

    zone = _zone(timezone)
    house = read_house(read_text(file), str(file), zone)
    replay = HouseReplay(house, Terms(), zone, scenarios)
    first, last = replay.hours_of(_day(begin), days)
    began_s = time.monotonic()
    result = compare_plan(replay, first, last)
    result["wall_s"] = round(time.monotonic() - began_s, 3)
    if as_json:
        print_json(result)
    else:
        print_table(result)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError) as error:
        raise InputError(f"--timezone = {name!r}: expected a zone such as Europe/Berlin") from error


def _day(text: str) -> np.datetime64:
    try:
        return np.datetime64(text, "D")
    except ValueError as error:
        raise InputError(f"--from = {text!r}: expected a date such as 2016-01-01") from error


def print_table(result: dict[str, Any]) -> None:
    """Print the bills of a period, cheapest first."""
    print(
        f"{result['from']} .. {result['to']}: {result['hours']} hours, "
        f"{result['hours_filled']} of them filled"
    )
    print(f"{'':14}{'EUR':>9}{'energy':>9}{'sold':>9}{'tiers':>8}{'peaks':>8}{'gap':>9}")
    rows = sorted(result["bills"].items(), key=lambda item: float(item[1]["total"]))
    for name, row in rows:
        gap = "" if row["gap"] is None else f"{row['gap']:9.2%}"
        figures = "".join(f"{row[key]:9.2f}" for key in ("total", "energy", "sold"))
        print(f"{name:14}{figures}{row['tiers']:8.2f}{row['peaks']:8.2f}{gap}")
