"""Files of readings to numbers: any cells give readings or findings, and nothing else."""

from dataclasses import replace
from fractions import Fraction
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from balans.core.errors import InputError
from balans.core.words import Resource
from balans.usecases.import_findings import SAID_MAX, Noticing
from balans.usecases.import_readings import PARTS, RawReadings, read_readings
from balans.usecases.import_table import Table
from balans.usecases.prepare_readings import Prepared, prepare
from balans.usecases.reading_layout import Layout, Quantity, layout_of
from balans.usecases.reading_sources import (
    FAR,
    ChannelRef,
    Source,
    SourcePeriod,
    below_mounting,
    dial_registers,
    whole_pulses,
)

UTC = ZoneInfo("UTC")
CHANNEL = ChannelRef(7, 1000, 1)
PERIOD = SourcePeriod(-FAR, FAR, CHANNEL, Fraction(5, 3), point_id=1, resource=Resource.ELECTRICITY)


def silent(_step: str, _done: int, _total: int) -> None:
    """Tell nobody."""


def table(**columns: list[str]) -> Table:
    count = len(next(iter(columns.values())))
    return Table("r", columns, range(2, count + 2))


def read(one: Table, layout: Layout) -> tuple[RawReadings, Noticing]:
    noticing = Noticing()
    return read_readings(one, layout, noticing, silent), noticing


def prepared(one: Table, layout: Layout) -> tuple[Prepared, Noticing]:
    raw, noticing = read(one, layout)
    sources = [Source(UTC, (PERIOD,)) for _ in raw.who]
    return prepare(raw, sources, layout, noticing, silent), noticing


CELLS = st.text(max_size=12) | st.sampled_from(
    ["", "0", "1", "1.5", "1e3", "nan", "inf", "-1", "9" * 30, "1_0", " 7 ", "٣", "kWh", "l", "MJ"]
)
TIMES = st.text(max_size=12) | st.sampled_from(
    ["2026-01-01T00:00Z", "2026-01-01 00:30", "2026-01-01 01:00", "01.01.2026 02:00", "2025-06-01"]
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.sampled_from(Quantity),
    st.lists(st.tuples(CELLS, TIMES, CELLS, CELLS, CELLS), min_size=1, max_size=8),
)
def test_any_cells_give_registers_or_findings(
    quantity: Quantity, rows: list[tuple[str, str, str, str, str]]
) -> None:
    who, times, values, units, qualities = (list(column) for column in zip(*rows, strict=True))
    one = Table(
        "r",
        {"point": who, "time": times, quantity.value: values, "unit": units, "quality": qualities},
        range(2, len(rows) + 2),
    )
    try:
        found, noticing = prepared(one, Layout())
    except InputError:
        return
    assert found.used + noticing.errors + noticing.warnings >= 0
    assert ((found.hours.register >= 0) & (found.hours.register < 2**31)).all()
    assert all(finding.what for finding in noticing.findings())


def test_numbers_as_people_write_them() -> None:
    one = table(
        point=["p"] * 6, time=["2026-01-01"] * 6, dial=["1,5", "1 000", "4e+05", "7.", ".5", "0"]
    )
    raw, noticing = read(one, Layout(unit="Wh"))
    assert (raw.value / PARTS).tolist() == [1.5, 1000, 400_000, 7, 0.5, 0]
    assert noticing.findings() == []


@pytest.mark.parametrize(
    ("unit", "size"), [("kWh", 1000), ("MWh", 1_000_000), ("GJ", 2_500_000 / 9), ("m³", 1000)]
)
def test_units(unit: str, size: float) -> None:
    raw, _ = read(table(point=["p"], time=["2026-01-01"], dial=["2"]), Layout(unit=unit))
    assert raw.value.tolist() == [round(2 * size * PARTS)]
    assert raw.units == {(0, unit)}


def test_the_first_name_that_is_filled_in_counts() -> None:
    one = table(
        point=["p", "", "p"],
        channel=["", "1-1", "2-1"],
        time=["2026-01-01"] * 3,
        register=["1"] * 3,
    )
    raw, _ = read(one, Layout())
    assert [raw.who[n].name for n in raw.source.tolist()] == ["p", "1-1", "2-1"]


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**50), max_size=5), st.fractions(Fraction(1, 600), 10**6))
def test_whole_pulses_are_exact(values: list[int], worth: Fraction) -> None:
    found, rest = whole_pulses(np.array(values, np.int64), worth)
    assert found.tolist() == [value // worth for value in values]
    assert rest.tolist() == [value % worth != 0 for value in values]


@settings(deadline=None)
@given(st.lists(st.integers(0, 5000), min_size=1, max_size=60))
def test_what_was_used_is_all_there(used: list[int]) -> None:
    """Of any amounts the registers tell the sum, to the pulse below."""
    times = [f"2026-01-{1 + n // 24:02d} {n % 24:02d}:00" for n in range(len(used))]
    one = table(point=["p"] * len(used), time=times, used=[str(n) for n in used])
    found, noticing = prepared(one, Layout(unit="Wh"))
    assert noticing.findings() == []
    assert len(found.hours) == len(used) + 1
    assert found.hours.register.tolist() == [
        sum(used[:n]) // Fraction(5, 3) for n in range(len(used) + 1)
    ]
    assert found.holes == []


def test_a_layout_is_kept_and_found_again() -> None:
    layout = Layout(
        {"point": "a"}, wide=Quantity.USED, unit="kWh", time_format="%d/%m/%Y", timezone=UTC
    )
    assert layout_of(layout.as_json()) == layout
    assert layout_of({}) == Layout()


def test_of_too_many_findings_the_rest_is_a_number() -> None:
    noticing = Noticing("r")
    for line in range(SAID_MAX + 5):
        noticing.warn(line + 1, "gap", "p", "odd")
    found = noticing.findings()
    assert len(found) == SAID_MAX + 1
    assert str(found[0]) == "r: gap: 5 more are not listed"
    assert (noticing.warnings, noticing.errors, noticing.counts) == (SAID_MAX + 5, 0, {"gap": 2005})


def test_a_dial_moves_by_the_weight_of_a_pulse_and_not_by_the_ratio_of_transformers() -> None:
    """40 Wh a pulse in the network are 1 Wh on the face of a meter behind 200/5."""
    period = SourcePeriod(0, 1, None, worth=Fraction(40), ratio=Fraction(40), register_origin=7)
    registers, rounded = dial_registers(np.array([12_000, 12_500]), period)
    assert registers.tolist() == [19, 19]
    assert rounded.tolist() == [False, True]


def used_at(rows: list[tuple[str, int]], **periods: SourcePeriod) -> tuple[Prepared, Noticing]:
    """Return 1 kWh used at each of (name, minute of the day)."""
    one = table(
        point=[name for name, _ in rows],
        time=[f"2026-01-01T{minute // 60:02d}:{minute % 60:02d}Z" for _, minute in rows],
        used=["1"] * len(rows),
    )
    layout = Layout(unit="kWh")
    raw, noticing = read(one, layout)
    sources = [Source(UTC, (periods[who.name],)) for who in raw.who]
    return prepare(raw, sources, layout, noticing, silent), noticing


def test_a_channel_that_moved_goes_on_whichever_of_its_points_the_file_tells_first() -> None:
    moved_s = 1_767_225_600 + 4 * 3600
    before = replace(PERIOD, worth=Fraction(1), end_s=moved_s, point_id=2)
    after = replace(PERIOD, worth=Fraction(1), start_s=moved_s)
    early = [("old", hour * 60) for hour in range(4)]
    late = [("new", hour * 60) for hour in range(4, 8)]
    for rows in (early + late, late + early):
        found, noticing = used_at(rows, old=before, new=after)
        assert found.hours.register.tolist() == list(range(0, 9000, 1000))
        assert noticing.findings() == []


def test_what_is_used_from_the_removal_on_is_not_the_meters() -> None:
    removed = replace(PERIOD, worth=Fraction(1), end_s=1_767_225_600 + 2 * 3600)
    found, noticing = used_at([("p", hour * 60) for hour in range(3)], p=removed)
    assert found.hours.register.tolist() == [0, 1000, 2000]
    assert [(f.line, f.code) for f in noticing.findings()] == [(4, "unmounted")]


def test_intervals_of_two_lengths_are_told_apart_instead_of_taken_for_holes() -> None:
    other = replace(PERIOD, channel=ChannelRef(8, 1000, 2), point_id=2)
    rows = [("quarters", minute) for minute in range(0, 360, 15)]
    rows += [("hours", minute) for minute in range(0, 360, 60)]
    found, noticing = used_at(rows, quarters=PERIOD, hours=other)
    assert found.holes == []
    assert set(found.hours.channel.tolist()) == {0}
    (told,) = noticing.findings()
    assert str(told) == (
        "line 26: channel 1000-2: time: intervals of 60 minutes, most of the file has 15:"
        " import them apart"
    )
    few = [*rows[:24], ("hours", 0), ("hours", 60)]  # as chance may have it
    assert len(used_at(few, quarters=PERIOD, hours=other)[0].holes) == 1


def test_a_dial_that_went_through_zero_since_its_mounting_goes_on() -> None:
    period = replace(PERIOD, worth=Fraction(1), modulus=100_000, dial_origin=99_990 * PARTS)
    dials = np.array([99_995, 5, 40_000, 60_000], np.int64) * PARTS
    assert dial_registers(dials, period)[0].tolist() == [5, 15, 40_010, 60_010]
    assert below_mounting(dials, period).tolist() == [False, False, False, True]
