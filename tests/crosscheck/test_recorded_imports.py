"""Recorded files of others, as real systems write them: loaded without loss, faults told by line.

Water meters of Alicante (hourly, at odd minutes, with gaps of months, steps back and two counters
in turn) and buildings of Cambridge (what was used each hour, where a zero may stand for a gap).
They are read where they lie (`BALANS_DATA`, else ``../shared/data`` beside the checkout); without
them the tests are skipped. What is expected is counted here anew, row by row, from the files.
"""

import csv
import gzip
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from numpy.typing import NDArray

from balans.core.hours import hour_of, time_of
from balans.domain.metering import MISSING
from balans.storage import imports, lookups
from balans.storage.flush import flush_inbox
from balans.storage.import_sources import Reach
from balans.storage.models import Channel, MeterMounting, PointMark
from balans.storage.profile import point_intervals
from balans.storage.readings import registers
from balans.storage.registry import apply_plan
from balans.storage.scope import tenant_scope
from balans.usecases.import_table import LineFinding
from balans.usecases.reading_layout import Layout, Quantity
from balans.usecases.registry_plan import (
    MeterPlan,
    ModulePlan,
    MountingPlan,
    NodePlan,
    PointPlan,
    RegistryPlan,
    TenantPlan,
)
from balans.wiring.import_readings import import_readings
from balans.wiring.imports import Outcome, Wish

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("BALANS_DATA") or ROOT.parent / "shared" / "data")
WATER, BUILDINGS = DATA / "water_es_1h", DATA / "buildings_uk_1h"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
WISH = Wish("clerk", NOW, as_host=True)
MADRID = ZoneInfo("Europe/Madrid")
FORMAT = "%d/%m/%Y %H:%M:%S"

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.slow,
    pytest.mark.timeout(600),
]
needs_water = pytest.mark.skipif(not WATER.exists(), reason=f"needs {WATER.name} in BALANS_DATA")
needs_buildings = pytest.mark.skipif(
    not BUILDINGS.exists(), reason=f"needs {BUILDINGS.name} in BALANS_DATA"
)


def registry(codes: list[str], resource: str, zone: str, worth: Fraction) -> int:
    """Register a point with meter and channel for each of `codes`; return the tenant."""
    plan = RegistryPlan(
        tenant=TenantPlan(code="rec", name="Recorded"),
        nodes=(NodePlan(code="town", name="Town", kind="city", timezone=zone),),
        points=tuple(PointPlan(code=c, name=c, node="town", resource=resource) for c in codes),
        meters=tuple(
            MeterPlan(serial=f"m-{c}", resource=resource, pulse_weight=worth) for c in codes
        ),
        modules=tuple(ModulePlan(serial=5000 + n, node="town") for n in range(len(codes))),
        mountings=tuple(
            MountingPlan(meter=f"m-{c}", point=c, module=5000 + n, input=1)
            for n, c in enumerate(codes)
        ),
    )
    return apply_plan(plan).tenant_id


def bring(file: Path, layout: Layout, tenant: int) -> Outcome:
    done = import_readings(file.read_bytes(), file.name, layout, Reach(tenant), WISH)
    while flush_inbox(NOW).batches:
        pass
    return done


class Row(NamedTuple):
    """A row of the water file as a plain reader sees it."""

    line: int
    time: datetime
    liters: int


def water_rows(name: str) -> dict[str, list[Row]]:
    """Return the rows of each meter; of the hour that comes twice the file's order tells which."""
    found: dict[str, list[Row]] = {}
    with gzip.open(WATER / name, "rt") as file:
        reader = csv.reader(file, delimiter=";")
        next(reader)
        for line, (key, written, liters, _) in enumerate(reader, start=2):
            rows = found.setdefault(key, [])
            local = datetime.strptime(written, FORMAT).replace(tzinfo=MADRID)
            time = local.astimezone(UTC)
            if rows and time <= rows[-1].time:
                time = local.replace(fold=1).astimezone(UTC)
            rows.append(Row(line, time, int(float(liters))))
    return found


FILES = {
    "swm_trialA_clean.csv.gz": ("user.key", "datetime", "meter.reading"),
    "swm_trialA_extended_clean.csv.gz": ("V1", "V2", "V3"),
}
BACKWARDS = {"swm_trialA_clean.csv.gz": 203, "swm_trialA_extended_clean.csv.gz": 43}
"""Negative differences by the description of the recording."""


@needs_water
def test_the_water_meters_load_without_loss_and_every_fault_is_told() -> None:
    recorded = {name: water_rows(name) for name in FILES}
    codes = sorted({key for rows in recorded.values() for key in rows})
    tenant = registry(codes, "cold_water", "Europe/Madrid", Fraction(1))
    for name, (point, time, dial) in FILES.items():
        columns = {"point": point, "time": time, "dial": dial}
        done = bring(WATER / name, Layout(columns, unit="l", time_format=FORMAT), tenant)
        rows = recorded[name]
        assert done.state == "applied"
        assert done.result["errors"] == 0
        assert done.result["used"] == done.result["rows"] == sum(map(len, rows.values()))
        check_backwards(rows, done.findings, BACKWARDS[name])
        check_gaps(rows, done.findings)
        check_odd_minutes(rows, done.findings)
        with tenant_scope(tenant):
            assert done.import_id is not None
            kept = imports.content(done.import_id)
        with gzip.open(WATER / name) as file:
            assert kept == file.read()  # nothing of the recording is lost
        again = bring(WATER / name, Layout(columns, unit="l", time_format=FORMAT), tenant)
        assert (again.result["new"], again.import_id) == (0, done.import_id)
    check_counter_change(recorded["swm_trialA_clean.csv.gz"], tenant)
    check_registers(recorded, tenant)


def of_kind(findings: list[LineFinding], code: str) -> list[LineFinding]:
    return [finding for finding in findings if finding.code == code]


def pairs(rows: dict[str, list[Row]]) -> Iterator[tuple[str, Row, Row]]:
    for key, own in rows.items():
        for before, after in pairwise(own):
            yield key, before, after


def check_backwards(
    rows: dict[str, list[Row]], findings: list[LineFinding], described: int
) -> None:
    backwards = {after.line for _, before, after in pairs(rows) if after.liters < before.liters}
    assert {finding.line for finding in of_kind(findings, "went_back")} == backwards
    assert len(backwards) == described


def check_gaps(rows: dict[str, list[Row]], findings: list[LineFinding]) -> None:
    """Gaps of a day and more stand by line; the longest is more than seven months."""
    day = timedelta(days=1)
    long = {a.line for _, b, a in pairs(rows) if a.time - b.time >= day}
    told = {finding.line for finding in of_kind(findings, "gap")}
    aside = {finding.line for finding in of_kind(findings, "out_of_line")}
    assert long - told <= {line + 1 for line in aside} | aside
    assert told - long <= {line + 1 for line in aside}
    longest = max(a.time - b.time for _, b, a in pairs(rows))
    hours = f"{longest / timedelta(hours=1):.0f} h"
    assert any(hours in finding.what for finding in of_kind(findings, "gap"))


def check_odd_minutes(rows: dict[str, list[Row]], findings: list[LineFinding]) -> None:
    odd = {
        key
        for key, own in rows.items()
        if any(60 < (row.time.minute * 60 + row.time.second) < 3540 for row in own)
    }
    assert {f.item for f in of_kind(findings, "off_hour")} == {f"point {key}" for key in odd}


def check_counter_change(rows: dict[str, list[Row]], tenant: int) -> None:
    """Four rows of another counter stand between those of meter 9348…: told, and not mixed in."""
    (key,) = [k for k in rows if k.startswith("9348c9")]
    with tenant_scope(tenant):
        (kept,) = [one for one in imports.latest() if "extended" not in one.name]
        found, _ = imports.findings_of(kept.id, 0, 1000, code="out_of_line")
    jumps = [f for f in found if f.item == f"point {key}" and " 24" in f.what and "rises" in f.what]
    assert [int(f.what.split("rises by ")[1].split()[0]) for f in jumps] == [
        248_243,
        248_459,
        248_502,
        248_541,
    ]
    change = next(row for row in rows[key] if row.line == jumps[0].line)
    values = stored(tenant, key, change.time - timedelta(hours=3), change.time + timedelta(hours=8))
    assert (np.diff(values) >= 0).all()
    assert values.max() < 210_000


def stored(tenant: int, key: str, start: datetime, end: datetime) -> NDArray[np.int64]:
    with tenant_scope(tenant):
        mounting = MeterMounting.objects.get(point__code=key)
        found = registers([mounting.channel_id or 0], hour_of(start), hour_of(end)).values[0]
    known: NDArray[np.int64] = found[found != MISSING].astype(np.int64)
    return known


def check_registers(recorded: dict[str, dict[str, list[Row]]], tenant: int) -> None:
    """Each stored register lies between the readings around it, at most three hours away.

    Where nothing goes back in a meter's record, the registers tell all that was used from the
    first full hour to the last.
    """
    with tenant_scope(tenant):
        channels = dict(
            MeterMounting.objects.values_list("point__code", "channel_id").order_by("id")
        )
        assert Channel.objects.count() == len(channels)
    first, last = (
        hour_of(datetime(2016, 2, 29, tzinfo=UTC)),
        hour_of(datetime(2017, 5, 21, tzinfo=UTC)),
    )
    steady = 0
    for key, channel in channels.items():
        rows = sorted(
            (row for part in recorded.values() for row in part.get(key, ())), key=lambda r: r.time
        )
        with tenant_scope(tenant):
            values = registers([channel or 0], first, last).values[0]
        hours = np.flatnonzero(values != MISSING)
        times = np.array([row.time.timestamp() for row in rows])
        liters = np.array([row.liters for row in rows])
        at = np.array([time_of(first + int(hour)).timestamp() for hour in hours])
        after = np.searchsorted(times, at)
        near = np.minimum(
            np.abs(times[np.minimum(after, len(times) - 1)] - at),
            np.abs(times[np.maximum(after - 1, 0)] - at),
        )
        assert near.max() <= 3 * 3600
        if (np.diff(liters) >= 0).all():
            steady += 1
            low = liters[np.maximum(np.searchsorted(times, at + 60, "right") - 1, 0)]
            high = liters[np.minimum(np.searchsorted(times, at - 60), len(times) - 1)]
            assert (np.minimum(low, high) <= values[hours]).all()
            assert (values[hours] <= np.maximum(low, high)).all()
            begin, end = (np.searchsorted(times, edge) for edge in (at[0], at[-1]))
            used = int(values[hours][-1]) - int(values[hours][0])
            inside = liters[min(end, len(liters) - 1)] - liters[max(begin - 1, 0)]
            assert used <= inside
    assert steady > 20


@needs_buildings
def test_zeros_of_buildings_are_unknown_when_they_may_be_gaps() -> None:
    """Of a building either an hour is known exactly as recorded, or it is unknown: never zero."""
    recorded: dict[str, list[tuple[str, str]]] = {}
    with gzip.open(BUILDINGS / "gas_kwh_2018.csv.gz", "rt") as file:
        table = csv.DictReader(file)
        for row in table:
            for name, cell in list(row.items())[1:]:
                recorded.setdefault(name, []).append((row["datetime_utc"], cell))
    names = sorted(recorded, key=lambda name: sum(float(c or 0) == 0 for _, c in recorded[name]))
    chosen = [names[0], names[len(names) // 2], names[-2]]
    lines = ["datetime_utc," + ",".join(chosen)] + [
        ",".join([recorded[chosen[0]][n][0], *(recorded[name][n][1] for name in chosen)])
        for n in range(24 * 90)
    ]
    data = "\n".join(lines).encode()
    tenant = registry(chosen, "gas", "Europe/London", Fraction(1))
    layout = Layout(
        {"time": "datetime_utc"}, wide=Quantity.USED, unit="m3", timezone=ZoneInfo("UTC")
    )
    layout = replace(layout, zero_is_missing=True)
    done = import_readings(data, "gas.csv", layout, Reach(tenant), WISH)
    while flush_inbox(NOW).batches:
        pass
    assert (done.state, done.result["errors"]) == ("applied", 0)
    zeros = {
        name: sum(float(cell) == 0 for _, cell in recorded[name][: 24 * 90]) for name in chosen
    }
    told = {
        f.item.removeprefix("point "): int(f.what.split()[0])
        for f in of_kind(done.findings, "zero")
    }
    assert told == {name: n for name, n in zeros.items() if n}
    start = datetime(2018, 1, 1, tzinfo=UTC)
    bounds = [start + timedelta(hours=n) for n in range(24 * 90 + 1)]
    with tenant_scope(tenant):
        site = lookups.site_by_code(tenant, "town")
        assert site is not None
        points = {point.code: point for point in lookups.points_of(site, below=True)}
        values = point_intervals(list(points.values()), bounds)
        marks = PointMark.objects.count()
    for name in chosen:
        energies = [value.energy for value in values[points[name].id]]
        for (_, cell), energy in zip(recorded[name][: 24 * 90], energies, strict=True):
            liters = round(float(cell) * 1000)
            assert energy == (liters or None)
    assert done.result["marks"] == marks
