"""Registry files: what is written is read back, and every fault has its line."""

import re
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from balans.core.errors import InputError
from balans.core.words import LimitSource, LoadClass, NodeKind, Phase, PointRole, Resource
from balans.domain.supply import ReconnectMode, SupplyKind
from balans.protocols.hub import LimitPeriod
from balans.usecases.check_registry import Known
from balans.usecases.export_registry import csv_text, registry_sheets
from balans.usecases.import_registry import ReadRegistry, drop_faulty, read_registry
from balans.usecases.import_table import csv_tables
from balans.usecases.registry_plan import (
    BEGINNING,
    MountingPlan,
    PointPlan,
    RegistryPlan,
    SupplyDevicePlan,
    TenantPlan,
)
from balans.usecases.registry_sheets import SHEETS

TENANT = TenantPlan(code="t", name="Utility")
KNOWN = {
    "kind": st.sampled_from([*NodeKind]).map(str),
    "resource": st.sampled_from([*Resource]).map(str),
    "role": st.sampled_from([*PointRole]).map(str),
    "phase": st.none() | st.sampled_from([*Phase]).map(str),
    "load_class": st.sampled_from([*LoadClass]).map(str),
    "source": st.sampled_from([*LimitSource]).map(str),
    "period": st.sampled_from([*LimitPeriod]).map(str),
    "timezone": st.sampled_from(["", "Europe/Chisinau"]),
    "password": st.just(""),
    "grants": st.lists(st.tuples(st.sampled_from(["operator", "consumer"]), st.just("n"))).map(
        tuple
    ),
}
OF_DEVICES = {
    "kind": st.sampled_from([*SupplyKind]).map(str),
    "reconnect": st.sampled_from([*ReconnectMode]).map(str),
}
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12
).filter(lambda text: not text.startswith("["))
SECONDS = st.times().map(lambda t: t.replace(microsecond=0, tzinfo=None))
MOMENTS = st.integers(1, 3_000_000_000).map(lambda s: BEGINNING + timedelta(seconds=s))
BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    "str": TEXTS,
    "str | None": st.none() | TEXTS,
    "int": st.integers(0, 2**31),
    "int | None": st.none() | st.integers(0, 2**31),
    "float": st.integers(0, 10**7).map(lambda n: n / 16),
    "bool": st.booleans(),
    "Fraction": st.fractions(Fraction(1, 10**6), 10**6, max_denominator=10**6),
    "Decimal": st.decimals(0, 10**6, places=3),
    "Decimal | None": st.none() | st.decimals(0, 10**6, places=3),
    "datetime": MOMENTS,
    "datetime | None": st.none() | MOMENTS,
    "time": SECONDS,
    "time | None": st.none() | SECONDS,
    "tuple": st.lists(st.integers(1, 3), min_size=1).map(tuple),
}


def plans_of(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Return any plans of a kind, with text in every field that takes some."""
    cells = {}
    known = KNOWN | OF_DEVICES if kind is SupplyDevicePlan else KNOWN
    for one in fields(kind):
        name = re.sub(r"\b\w+\.", "", getattr(one.type, "__name__", str(one.type)))
        cells[one.name] = known[one.name] if one.name in known else BY_TYPE[name]
    return st.builds(kind, **cells)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_every_field_of_every_plan_is_read_back(data: st.DataObject) -> None:
    parts = {
        sheet.name: tuple(data.draw(st.lists(plans_of(sheet.plan), max_size=3), label=sheet.name))
        for sheet in SHEETS
        if sheet.name != "tenant"
    }
    plan = RegistryPlan(tenant=TENANT, **parts)
    read = read_registry(csv_tables(csv_text(registry_sheets(plan)), "a.csv"))
    assert [str(finding) for finding in read.findings] == []
    assert read.plan(TENANT) == plan


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.name)
def test_no_field_is_left_out(sheet: Any) -> None:
    assert {c.target for c in sheet.columns} == {f.name for f in fields(sheet.plan)}
    assert len({c.name for c in sheet.columns}) == len(sheet.columns)
    assert all(c.about for c in sheet.columns)


def read(text: str, there: RegistryPlan | None = None, **options: Any) -> ReadRegistry:
    return read_registry(csv_tables(text, "a.csv"), there, **options)


def told(found: ReadRegistry) -> list[str]:
    return [str(finding) for finding in found.findings]


NODES = "[nodes]\ncode,name,kind,parent,timezone\ncity,City,city,,Europe/Chisinau\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[nodes]\ncode,kind\n", "nodes, line 1: unknown column"),
        ("[houses]\ncode\na\n", "houses: unknown sheet 'houses': expected one of tenant, nodes"),
        ("[points]\nname,node\nA,b\n", "points, line 2: column code is missing"),
        (
            "[points]\ncode,name,node,resource\na,A,b,beer\n",
            "points, line 3: point a: resource: 'beer': expected one of electricity,",
        ),
        ("[points]\ncode,name,node\na,A,b\n", "points, line 3: point a: resource: is empty"),
        ("[points]\ncode,name,node,resource\na,,b,gas\n", "points, line 3: point a: name: is emp"),
        (
            "[meters]\nserial,resource\nm,gas\n",
            "meters, line 3: meter m: pulse_weight or pulses_per_unit: is empty",
        ),
        (
            "[meters]\nserial,resource,pulse_weight,pulses_per_unit\nm,gas,1,600\n",
            "meter m: pulses_per_unit: fill in pulse_weight or pulses_per_unit, not both",
        ),
        (
            "[meters]\nserial,resource,pulses_per_unit\nm,gas,0\n",
            "meter m: pulses_per_unit: '0': expected a number above 0",
        ),
        (
            "[supply_devices]\npoint,module,kind\np,7,fuse\n",
            "supply_devices, line 3: supply device p: kind: 'fuse': expected one of contactor,",
        ),
        ("[modules]\nserial,node,inputs\n7,city,1 x\n", "inputs: '1 x': expected whole numbers"),
        (
            "[mountings]\nmeter,point,valid_from\nm,p,soon\n",
            "mountings, line 3: mounting m: valid_from: 'soon': expected a time of 1900",
        ),
    ],
)
def test_a_fault_is_told_with_sheet_line_and_column(text: str, says: str) -> None:
    if "unknown column" in says:
        text = "[nodes]\ncode,colour\na,red\n"
        says = "nodes, line 2: unknown column 'colour': expected code, name, kind"
    (first, *_) = told(read(text))
    assert says in first


def test_pulses_per_unit_are_what_meters_bear() -> None:
    found = read("[meters]\nserial,resource,pulses_per_unit\nm,electricity,600\nw,gas,\n")
    assert found.items["meters"][0][0].pulse_weight == Fraction(5, 3)
    assert [finding.line for finding in found.findings] == [4]


def test_times_are_local_to_the_node() -> None:
    text = (
        NODES
        + "[points]\ncode,name,node,resource\np,P,city,gas\n"
        + "[mountings]\nmeter,point,valid_from,valid_to\n"
        + "m,p,2026-07-01,01.12.2026 18:00\nm,q,2026-07-01,2026-07-02T00:00+00:00\n"
    )
    (one, _), (other, _) = read(text).items["mountings"]
    assert one.valid_from == datetime(2026, 7, 1, tzinfo=timezone(timedelta(hours=3)))
    assert one.valid_to == datetime(2026, 12, 1, 18, tzinfo=timezone(timedelta(hours=2)))
    assert other.valid_from.tzinfo is None  # nobody knows where q is: the check tells
    (_, _), (other, _) = read(text, timezone=ZoneInfo("UTC")).items["mountings"]
    assert other.valid_from == datetime(2026, 7, 1, tzinfo=UTC)


def test_a_column_that_is_left_out_keeps_what_is_there() -> None:
    there = RegistryPlan(
        tenant=TENANT,
        points=(
            PointPlan(code="p", name="P", node="city", resource="gas", role="inflow", phase="L2"),
        ),
    )
    found = read("[points]\ncode,name,phase\np,New,\nq,Q,\n", there)
    assert found.items["points"] == [
        (PointPlan(code="p", name="New", node="city", resource="gas", role="inflow"), 3)
    ]
    assert told(found) == [
        "points, line 4: point q: node: is empty: expected text of at most 200 characters",
        "points, line 4: point q: resource: is empty: expected one of " + ", ".join(Resource),
    ]


def test_of_a_partial_import_goes_what_hangs_on_a_fault() -> None:
    text = (
        NODES
        + "house,House,building,nowhere,\nflat,Flat,flat,house,\nok,Ok,flat,city,\n"
        + "[points]\ncode,name,node,resource\np,P,flat,gas\nq,Q,ok,gas\nq,Q again,ok,gas\n"
    )
    found = read(text)
    findings = drop_faulty(found, TENANT, Known())
    assert [str(one) for one in findings] == [
        "points, line 11: point q: code: given twice",
        "nodes, line 4: node house: parent: unknown node 'nowhere'",
        "nodes, line 5: node flat: parent: unknown node 'house'",
        "points, line 9: point p: node: unknown node 'flat'",
    ]
    assert [item.code for item, _ in found.items["nodes"]] == ["city", "ok"]
    assert [item.name for item, _ in found.items["points"]] == ["Q"]


@settings(deadline=None)
@given(st.text("[]nodespitcmr,;\n\"' 1/a", max_size=120))
def test_any_file_gives_findings_only(text: str) -> None:
    try:
        tables = csv_tables(text, "a.csv", "nodes")
    except InputError:
        return
    drop_faulty(read_registry(tables), TENANT, Known())


def test_an_empty_registry_shows_what_can_be_filled_in() -> None:
    sheets = registry_sheets(RegistryPlan(tenant=TenantPlan(code="", name="")))
    assert [sheet.name for sheet in sheets] == [sheet.name for sheet in SHEETS]
    assert all(sheet.header for sheet in sheets)


def test_what_holds_since_ever_is_left_empty() -> None:
    plan = RegistryPlan(tenant=TENANT, mountings=(MountingPlan(meter="m", point="p"),))
    assert plan.mountings[0].valid_from == BEGINNING
    (mountings,) = [s for s in registry_sheets(plan) if s.name == "mountings"]
    assert mountings.rows == [["m", "p", *[""] * 8]]


DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "reference" / "import-files.md"


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.name)
def test_the_document_tells_every_column_in_its_order(sheet: Any) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    part = text.partition(f"\n### {sheet.name}\n")[2].partition("\n#")[0]
    rows = [line for line in part.splitlines() if line.startswith("| `")]
    assert [row.split("|")[1].strip(" `") for row in rows] == [c.name for c in sheet.columns]
    assert [row.split("|")[3].strip() for row in rows] == [
        f"{column.about}: {column.kind.expected}" for column in sheet.columns
    ]


def test_the_example_of_the_document_can_be_imported() -> None:
    example = DOCUMENT.read_text(encoding="utf-8").partition("```\n")[2].partition("```")[0]
    found = read(example)
    assert told(found) == []
    assert drop_faulty(found, TENANT, Known()) == []
    assert found.count == 3
