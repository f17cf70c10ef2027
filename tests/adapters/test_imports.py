"""Imports on the real tables: as a whole or not at all, and a second time nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from tests.adapters.conftest import small_plan

from balans.core.errors import InputError
from balans.core.hours import hour_of, time_of
from balans.core.words import NodeKind
from balans.domain.metering import Quality
from balans.protocols import collection
from balans.protocols.readings import Flag, Grade, Reading, pack
from balans.storage import imports, lookups
from balans.storage.flush import flush_inbox
from balans.storage.import_sources import Reach
from balans.storage.imports import ImportState
from balans.storage.models import Node, PointMark, User
from balans.storage.profile import point_intervals
from balans.storage.readings import export_rows
from balans.storage.records import NodeInfo
from balans.storage.registry import apply_plan
from balans.storage.registry_export import present_plan
from balans.storage.scope import system_scope, tenant_scope
from balans.usecases.export_registry import csv_text, registry_sheets
from balans.usecases.reading_layout import Layout, Quantity
from balans.usecases.registry_plan import MeterPlan, MountingPlan, PointPlan, TenantPlan
from balans.wiring.import_readings import import_readings
from balans.wiring.import_registry import Utility, import_registry
from balans.wiring.imports import Outcome, Wish

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
WISH = Wish("clerk", NOW, as_host=True)
PLAIN = Layout()
PLAN = small_plan()


@pytest.fixture
def tenant() -> int:
    """Alice's utility: flat 1 with a meter of 0.5 Wh a pulse and one of 1 l."""
    return apply_plan(PLAN).tenant_id


def registry(text: str, tenant_id: int | None, wish: Wish = WISH, file: str = "a.csv") -> Outcome:
    return import_registry(text.encode(), file, Utility(PLAN.tenant, tenant_id), wish)


def readings(
    text: str | bytes,
    tenant_id: int,
    layout: Layout = PLAIN,
    wish: Wish = WISH,
) -> Outcome:
    data = text.encode() if isinstance(text, str) else text
    found = import_readings(data, "r.csv", layout, Reach(tenant_id), wish)
    flush_inbox(NOW)
    return found


def stored(tenant_id: int) -> list[tuple[str, int, int, Quality]]:
    with tenant_scope(tenant_id):
        return [(r.channel, hour_of(r.time), r.register, r.quality) for r in export_rows()]


def export(tenant_id: int) -> str:
    with tenant_scope(tenant_id):
        rows = [
            f"{r.channel},{r.point},{r.time.isoformat()},{r.register},{r.quality}"
            for r in export_rows()
        ]
    return "\n".join(["channel,point,time,register,quality", *rows])


# --- registry ---


def test_an_export_that_is_imported_changes_nothing(tenant: int) -> None:
    with tenant_scope(tenant):
        text = csv_text(registry_sheets(present_plan(tenant)))
    done = registry(text, tenant)
    assert (done.state, done.findings) == (ImportState.APPLIED, [])
    assert (done.result["created"], done.result["updated"]) == (0, 0)
    with system_scope(), connection.cursor() as cursor:
        cursor.execute("select count(*) from registry_history where actor = 'clerk'")
        assert cursor.fetchone()[0] == 0


def test_an_export_makes_the_same_registry_elsewhere(tenant: int) -> None:
    with tenant_scope(tenant):
        plan = present_plan(tenant)
    other = replace(plan, tenant=TenantPlan(code="eve", name="Eve"), hubs=(), modules=())
    other = replace(other, mountings=(), loads=(), accounts=())
    done = registry(csv_text(registry_sheets(other)), None)
    assert done.state == ImportState.APPLIED, done.findings
    with system_scope():
        made = lookups.tenant_ids()["eve"]
    with tenant_scope(made):
        assert present_plan(made) == other
        assert [one.name for one in imports.latest()] == ["a.csv"]


def test_a_fault_refuses_the_whole_file_and_names_its_line(tenant: int) -> None:
    text = (
        "[nodes]\ncode,name,kind,parent\nn1,One,flat,alice-house\nn2,Two,hut,alice-house\n"
        "[points]\ncode,name,node,resource\np9,P,n3,gas\n"
    )
    done = registry(text, tenant)
    assert done.state == ImportState.REFUSED
    assert [str(f) for f in done.findings] == [
        f"nodes, line 4: node n2: kind: 'hut': expected one of {', '.join(NodeKind)}",
        "points, line 7: point p9: node: unknown node 'n3'",
    ]
    with tenant_scope(tenant):
        assert not Node.objects.filter(code="n1").exists()
        assert done.import_id is not None
        found, count = imports.findings_of(done.import_id)
        assert (found, count) == (done.findings, 2)
        assert imports.content(done.import_id) == text.encode().replace(
            b"\n[points]", b"\n\n[points]"
        )


def test_partial_takes_the_rest(tenant: int) -> None:
    text = "[nodes]\ncode,name,kind,parent\nn1,One,flat,alice-house\nn2,Two,hut,alice-house\n"
    done = registry(text, tenant, replace(WISH, partial=True))
    assert (done.state, done.result["created"], done.result["errors"]) == ("applied", 1, 1)
    with tenant_scope(tenant):
        assert set(Node.objects.filter(code__in=["n1", "n2"]).values_list("code", flat=True)) == {
            "n1"
        }


OVERLAP = "[mountings]\nmeter,point,module,input,valid_from\nalice-m2,alice-w1,1000,3,2026-02-01\n"


def test_what_only_the_database_refuses_has_a_line_as_well(tenant: int) -> None:
    done = registry(OVERLAP, tenant)
    assert done.state == ImportState.REFUSED
    (finding,) = done.findings
    assert (finding.sheet, finding.line) == ("mountings", 3)
    assert finding.item == "mounting of meter alice-m2 at alice-w1"
    assert "exclusion constraint" in finding.what


def test_partial_leaves_out_what_the_database_refuses(tenant: int) -> None:
    text = OVERLAP + "[nodes]\ncode,name,kind,parent\nn1,One,flat,alice-house\n"
    done = registry(text, tenant, replace(WISH, partial=True))
    assert (done.state, done.result["created"], done.result["skipped"]) == ("applied", 1, 1)


def test_only_checked_means_nothing_is_changed(tenant: int) -> None:
    text = "[nodes]\ncode,name,kind,parent\nn1,One,flat,alice-house\n"
    done = registry(text, tenant, replace(WISH, check_only=True))
    assert (done.state, done.result["created"]) == (ImportState.CHECKED, 1)
    with tenant_scope(tenant):
        assert not Node.objects.filter(code="n1").exists()
    done = registry(OVERLAP, tenant, replace(WISH, check_only=True))
    assert (done.state, len(done.findings)) == (ImportState.REFUSED, 1)


def test_of_a_new_utility_nothing_stays_when_its_file_is_refused() -> None:
    done = registry("[nodes]\ncode,name,kind\nn1,One,hut\n", None)
    assert (done.state, done.import_id) == (ImportState.REFUSED, None)
    with system_scope():
        assert lookups.tenant_ids() == {}


def test_a_file_of_another_utility_is_refused(tenant: int) -> None:
    with pytest.raises(InputError, match=r"a.csv: registry of bob: expected that of alice"):
        registry("[tenant]\ncode,name\nbob,Bob\n", tenant)


def test_passwords_are_not_kept(tenant: int) -> None:
    text = (
        "[accounts]\nusername,password,grants\n"
        "clerk-1,a long secret,operator@alice-city\nclerk-2,,consumer@alice-flat-1\n"
    )
    done = registry(text, tenant)
    assert [str(finding) for finding in done.findings] == [
        "accounts, line 4: account clerk-2: password: a new account cannot log in without"
    ]
    with tenant_scope(tenant):
        one, other = User.objects.filter(username__startswith="clerk-").order_by("username")
        assert one.check_password("a long secret")
        assert not other.has_usable_password()
        assert done.import_id is not None
        assert b"a long secret" not in (imports.content(done.import_id) or b"")
    registry(text.replace("a long secret", "another secret"), tenant)
    with tenant_scope(tenant):
        assert User.objects.get(username="clerk-1").check_password("a long secret")


def test_a_single_sheet_is_named_by_its_file(tenant: int) -> None:
    text = "code;name\nalice-p1;Renamed\n"
    done = registry(text, tenant, file="/home/clerk/points-2026.csv")
    assert (done.state, done.result["updated"]) == (ImportState.APPLIED, 1)


# --- readings ---

HOUR = hour_of(datetime(2026, 5, 1, tzinfo=UTC))


def lines(*cells: tuple[object, ...], header: str = "channel,time,register,quality") -> str:
    return "\n".join([header, *(",".join(map(str, row)) for row in cells)])


def t(hours: float) -> str:
    return (time_of(HOUR) + timedelta(hours=hours)).isoformat()


def test_an_exported_file_is_read_back_as_it_was(tenant: int) -> None:
    text = lines(
        ("1000-1", t(0), 5, "measured"),
        ("1000-1", t(1), 6, "estimated"),
        ("1000-1", t(2), 900, "suspect"),
        ("1000-1", t(3), 7, "measured"),
        ("1000-2", t(0), 1, ""),
    )
    done = readings(text, tenant)
    assert (done.state, done.result["new"], done.result["same"]) == (ImportState.APPLIED, 5, 0)
    assert stored(tenant) == [
        ("1000-1", HOUR, 5, Quality.MEASURED),
        ("1000-1", HOUR + 1, 6, Quality.ESTIMATED),
        ("1000-1", HOUR + 2, 900, Quality.SUSPECT),
        ("1000-1", HOUR + 3, 7, Quality.MEASURED),
        ("1000-2", HOUR, 1, Quality.MEASURED),
    ]
    assert sorted(f.code for f in done.findings) == ["out_of_line", "went_back"]
    before = export(tenant)
    again = readings(before, tenant)
    assert (again.result["new"], again.result["same"]) == (0, 5)
    assert export(tenant) == before
    assert "1000-1,alice-p1," in before


def test_the_same_file_is_kept_once(tenant: int) -> None:
    text = lines(("1000-1", t(0), 5, ""))
    first, second = readings(text, tenant), readings(text, tenant)
    assert first.import_id == second.import_id
    with tenant_scope(tenant):
        (kept,) = imports.latest()
        assert (kept.size, kept.author, kept.result["new"]) == (len(text), "clerk", 1)
        assert imports.content(kept.id) == text.encode()


def test_readings_are_taken_as_a_whole_or_not_at_all(tenant: int) -> None:
    text = lines(
        ("1000-1", t(0), 5, ""),
        ("1000-1", "yesterday", 6, ""),
        ("1000-1", t(2), "many", ""),
        ("1000-1", t(3), 7.5, ""),
        ("1000-1", t(4), -1, ""),
        ("1000-1", t(5), 8, "fine"),
        ("999-1", t(0), 1, ""),
        ("999-1", t(1), 1, ""),
        ("", t(0), 1, ""),
        ("1000-1", "2027-01-01T00:00Z", 9, ""),
    )
    done = readings(text, tenant)
    assert (done.state, stored(tenant)) == (ImportState.REFUSED, [])
    assert [(f.line, f.code) for f in done.findings] == [
        (3, "time"),
        (4, "register"),
        (5, "register"),
        (6, "register"),
        (7, "quality"),
        (8, "channel"),
        (10, "who"),
        (11, "gap"),
        (11, "time"),
    ]
    assert str(done.findings[5]) == "line 8: channel 999-1: is not registered; 2 rows"
    assert "is still to come" in done.findings[8].what
    partial = readings(text, tenant, wish=replace(WISH, partial=True))
    assert (partial.state, len(stored(tenant))) == (ImportState.APPLIED, 1)


def test_a_register_that_differs_from_the_stored_one_is_told_by_line(tenant: int) -> None:
    readings(lines(("1000-1", t(0), 5, ""), ("1000-1", t(1), 6, "")), tenant)
    done = readings(lines(("1000-1", t(0), 5, ""), ("1000-1", t(1), 60, "")), tenant)
    assert (done.result["same"], done.result["differs"], done.result["new"]) == (1, 1, 0)
    (finding,) = done.findings
    assert (finding.line, finding.code) == (3, "stored_differs")
    assert "register 60 at 2026-05-01T01:00:00+00:00: 6 is stored and kept" in finding.what


def test_nothing_there_is_never_zero(tenant: int) -> None:
    text = lines(("1000-1", t(0), 5, ""), ("1000-1", t(1), "", "missing"), ("1000-1", t(2), "", ""))
    done = readings(text, tenant)
    assert stored(tenant) == [("1000-1", HOUR, 5, Quality.MEASURED)]
    assert [(f.line, f.code) for f in done.findings] == [(4, "empty")]


def test_dials_become_pulses_of_the_meter_that_was_there(tenant: int) -> None:
    apply_plan(
        replace(
            PLAN,
            mountings=(
                MountingPlan(
                    meter="alice-m1",
                    point="alice-p1",
                    module=1000,
                    input=1,
                    valid_from=datetime(2026, 1, 1, tzinfo=UTC),
                    register_at_mount=100,
                    dial_at_mount=Decimal(50_000),
                ),
            ),
        )
    )
    text = lines(
        ("alice-p1", t(0), "50,5", "kWh"),
        ("alice-p1", t(1), "50.6001", "kWh"),
        ("alice-p1", t(2), 5, "l"),
        header="point,time,dial,unit",
    ).replace("50,5", '"50,5"')
    done = readings(text, tenant, wish=replace(WISH, partial=True))
    assert [f.code for f in done.findings] == ["unit"]
    done = readings(text.replace("5,l", "51,kWh"), tenant)
    assert [(f.line, f.code) for f in done.findings] == [(3, "rounded")]
    # 0.5 Wh a pulse, from 100 pulses at 50 kWh
    assert [register for _, _, register, _ in stored(tenant)] == [1100, 1300, 2100]
    done = readings(text.replace('"50,5"', "49.9").replace("5,l", "51,kWh"), tenant)
    assert done.state == ImportState.REFUSED
    assert [str(f) for f in done.findings if f.severity == "error"] == [
        "line 2: point alice-p1: dial 49900: the meter showed 50000 at its mounting [Wh, varh or l]"
    ]


def test_local_times_are_those_of_the_place(tenant: int) -> None:
    text = lines(
        ("alice-w1", "2026-03-29 01:00", 1),
        ("alice-w1", "2026-03-29 03:00", 2),
        ("alice-w1", "2026-03-29 02:30", 9),
        header="point,time,dial",
    )
    done = readings(text, tenant, Layout(unit="l"), replace(WISH, partial=True))
    assert [hour for _, hour, _, _ in stored(tenant)] == [
        hour_of(datetime(2026, 3, 29, n, tzinfo=UTC)) for n in (0, 1)
    ]
    (finding,) = done.findings
    assert "the clock of Europe/Paris never showed this one" in finding.what


def test_readings_between_hours_are_estimates_and_the_file_stays(tenant: int) -> None:
    text = lines(("alice-w1", t(0.25), 100), ("alice-w1", t(1.25), 140), header="point,time,dial")
    done = readings(text, tenant, Layout(unit="l"))
    assert stored(tenant) == [("1000-2", HOUR + 1, 130, Quality.ESTIMATED)]
    assert done.import_id is not None
    with tenant_scope(tenant):
        assert imports.content(done.import_id) == text.encode()


def used(tenant_id: int, point: str, hours: int) -> list[Fraction | None]:
    with tenant_scope(tenant_id):
        (info,) = [p for p in lookups.points_of(_city(tenant_id), below=True) if p.code == point]
        bounds = [time_of(HOUR + n) for n in range(hours + 1)]
        return [value.energy for value in point_intervals([info], bounds)[info.id]]


def _city(tenant_id: int) -> NodeInfo:
    found = lookups.site_by_code(tenant_id, "alice-city")
    assert found is not None
    return found


WIDE = Layout(wide=Quantity.USED, unit="l", zero_is_missing=True, timezone=ZoneInfo("UTC"))


def wide(*values: object, first: int = 0) -> str:
    rows = [(t(first + n), value) for n, value in enumerate(values)]
    return lines(*rows, header="time,alice-w1")


def test_what_was_used_adds_up_and_zeros_may_be_gaps(tenant: int) -> None:
    done = readings(wide(5, 7, 0, 0, 2, "", 4), tenant, WIDE)
    assert (done.state, done.result["marks"]) == (ImportState.APPLIED, 2)
    assert [(f.line, f.code) for f in done.findings] == [(4, "zero"), (7, "empty")]
    assert used(tenant, "alice-w1", 7) == [5, 7, None, None, 2, None, 4]
    again = readings(wide(5, 7, 0, 0, 2, "", 4), tenant, WIDE)
    assert (again.result["new"], again.result["marks"]) == (0, 0)
    with tenant_scope(tenant):
        assert PointMark.objects.count() == 2
        PointMark.objects.update(void=True)  # somebody knows better
    again = readings(wide(5, 7, 0, 0, 2, "", 4), tenant, WIDE)
    assert (again.result["new"], again.result["marks"]) == (0, 0)


def test_no_register_is_made_of_an_hour_that_is_still_to_come(tenant: int) -> None:
    def taken(minutes: float, register: int) -> str:
        at = (NOW + timedelta(minutes=minutes)).isoformat()
        return lines(("1000-1", at, register), header="channel,time,register")

    now = NOW + timedelta(minutes=45)
    for minutes, wish in ((55, WISH), (60, WISH), (44, replace(WISH, now=NOW))):
        done = readings(taken(minutes, 7), tenant, wish=wish)
        assert (done.state, done.result["errors"]) == (ImportState.REFUSED, 1), minutes
    done = readings(taken(40, 7), tenant, wish=replace(WISH, now=now))
    assert (done.state, done.result["new"]) == (ImportState.APPLIED, 0)
    assert [(f.line, f.code) for f in done.findings] == [(2, "off_hour"), (2, "off_hour")]
    assert stored(tenant) == []
    done = readings(taken(60, 8), tenant, wish=replace(WISH, now=NOW + timedelta(hours=1)))
    assert [register for _, _, register, _ in stored(tenant)] == [8]
    done = readings(taken(119.5, 9), tenant, wish=replace(WISH, now=NOW + timedelta(minutes=119)))
    assert (done.findings, done.result["new"]) == ([], 1)


def test_zeros_count_as_nothing_used_unless_told_otherwise(tenant: int) -> None:
    done = readings(wide(5, 0, 2), tenant, replace(WIDE, zero_is_missing=False))
    assert (done.findings, done.result["marks"]) == ([], 0)
    assert used(tenant, "alice-w1", 3) == [5, 0, 2]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_files_of_what_was_used_go_on_from_one_another(tenant: int, order: tuple[int, int]) -> None:
    parts = [wide(5, 7), wide(3, 4, first=2)]
    for index in order:
        assert readings(parts[index], tenant, WIDE).state == ImportState.APPLIED
    assert used(tenant, "alice-w1", 4) == [5, 7, 3, 4]
    late = readings(wide(1, first=6), tenant, WIDE)
    assert late.result["marks"] == 1  # nothing is known of the two hours between the files
    assert used(tenant, "alice-w1", 7) == [5, 7, 3, 4, None, None, 1]


def test_quarter_hours_add_up_to_hours(tenant: int) -> None:
    rows = [(t(n / 4), 1 + n) for n in range(8)]
    done = readings(lines(*rows, header="time,alice-w1"), tenant, WIDE)
    assert done.findings == []
    assert used(tenant, "alice-w1", 2) == [10, 26]


def test_a_collection_file_brings_readings_with_their_flags(tenant: int) -> None:
    records = pack(
        [
            Reading(1000, 1, HOUR, 5),
            Reading(1000, 1, HOUR + 1, 6, Flag.LINE_BREAK),
            Reading(1000, 2, HOUR, 9, grade=Grade.ESTIMATED),
            Reading(1000, 1, HOUR, 5),
            Reading(77, 1, HOUR, 1),
        ]
    )
    data = collection.encode("walker", NOW.timestamp(), records)
    done = readings(data, tenant)
    assert done.state == ImportState.REFUSED
    assert [str(f) for f in done.findings] == [
        "line 5: channel 77-1: is not registered; 1 readings"
    ]
    done = readings(data, tenant, wish=replace(WISH, partial=True))
    assert (done.state, done.result["new"]) == (ImportState.APPLIED, 3)
    assert stored(tenant) == [
        ("1000-1", HOUR, 5, Quality.MEASURED),
        ("1000-1", HOUR + 1, 6, Quality.SUSPECT),
        ("1000-2", HOUR, 9, Quality.ESTIMATED),
    ]


def test_a_damaged_collection_file_is_refused(tenant: int) -> None:
    data = bytearray(collection.encode("walker", 0, pack([Reading(1000, 1, HOUR, 5)])))
    data[-40] ^= 1
    with pytest.raises(InputError, match=r"r.csv: wrong checksum"):
        readings(bytes(data), tenant)


def test_what_is_out_of_reach_is_not_there(tenant: int) -> None:
    with tenant_scope(tenant):
        flat = Node.objects.get(code="alice-flat-2").path
    text = lines(("alice-w1", t(0), 100), header="point,time,dial")
    done = import_readings(text.encode(), "r.csv", Layout(unit="l"), Reach(tenant, (flat,)), WISH)
    assert [f.what for f in done.findings] == ["is not registered; 1 rows"]
    other = apply_plan(small_plan("bob", 2000)).tenant_id
    done = readings(lines(("1000-1", t(0), 5, "")), other)
    assert [f.code for f in done.findings] == ["channel"]


def test_readings_of_long_ago_are_stored_as_well(tenant: int) -> None:
    done = readings(lines(("1000-1", "2011-03-01T00:00Z", 5, "")), tenant)
    assert (done.result["new"], len(stored(tenant))) == (1, 1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("time,register\n1,2\n", "r.csv: none of the columns channel, point, meter"),
        ("channel,register\n1,2\n", "r.csv: no column 'time'"),
        ("channel,time\n1,2\n", "r.csv: expected one of the columns register, dial, used"),
        ("channel,time,dial\n1000-1,2026-01-01,2\n", "r.csv: in which unit"),
        ("channel,time,dial,used\n1,2,3,4\n", "r.csv: expected one of the columns"),
    ],
)
def test_columns_that_are_needed_are_named(tenant: int, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        readings(text, tenant)


def test_a_new_hub_takes_the_secret_of_its_label_unless_the_host_asks(tenant: int) -> None:
    """Or a file could take a hub that another utility is about to accept."""
    text = "[hubs]\ncode,site,controls\nroof-7,alice-flat-1,no\nalice-hub,alice-house,yes\n"
    clerk = Wish("clerk", NOW)
    refused = registry(text, tenant, clerk)
    assert refused.state == ImportState.REFUSED
    (fault,) = (str(one) for one in refused.findings if one.severity == "error")
    assert fault.startswith("hubs, line 3: hub roof-7: code: a new hub is accepted by the secret")
    assert registry(text, tenant, replace(clerk, partial=True)).result["skipped"] == 1
    assert registry(text, tenant, WISH).result["created"] == 1
    assert registry(text, tenant, clerk).state == ImportState.APPLIED  # by now it is there


def test_dials_of_a_meter_without_a_channel_count_as_read_by_eye(tenant: int) -> None:
    apply_plan(
        replace(
            PLAN,
            points=(PointPlan(code="alice-gas", name="Gas", node="alice-flat-2", resource="gas"),),
            meters=(MeterPlan(serial="alice-g", resource="gas", pulse_weight=Fraction(10)),),
            mountings=(MountingPlan(meter="alice-g", point="alice-gas"),),
        )
    )
    text = (
        lines(
            ("alice-gas", t(0), "1,5"),
            ("alice-gas", t(4), "1,9"),
            ("alice-gas", "2027-01-01T00:00Z", 5),
            header="point;time;dial",
        )
        .replace(",", ";")
        .replace("1;", "1,")
    )
    layout = Layout(unit="m3")
    assert readings(text, tenant, layout).state == ImportState.REFUSED
    partial = replace(WISH, partial=True)
    done = readings(text, tenant, layout, partial)
    assert (done.result["dials"], done.result["new"], done.result["errors"]) == (2, 0, 1)
    assert used(tenant, "alice-gas", 4) == [100, 100, 100, 100]
    other = readings(text.replace("1,9", "1,8"), tenant, layout, partial)
    assert (other.result["dials"], [f.code for f in other.findings]) == (
        0,
        ["stored_differs", "time"],
    )


def test_registers_of_a_meter_without_a_channel_have_no_place(tenant: int) -> None:
    apply_plan(
        replace(
            PLAN,
            mountings=(
                MountingPlan(
                    meter="alice-m2",
                    point="alice-w1",
                    valid_from=datetime(2025, 1, 1, tzinfo=UTC),
                    valid_to=datetime(2025, 6, 1, tzinfo=UTC),
                ),
            ),
        )
    )
    text = lines(("alice-w1", "2025-03-01T00:00Z", 5), header="point,time,register")
    done = readings(text, tenant)
    assert [f.what for f in done.findings] == ["no meter with a channel was mounted then; 1 rows"]
