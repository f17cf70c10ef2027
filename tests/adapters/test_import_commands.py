"""``balans import`` and ``balans export`` as scripts call them, from one server to another."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from balans.cli.import_progress import Lines

Done = subprocess.CompletedProcess[str]

REGISTRY = """[tenant]
code,name
one,Utility One

[nodes]
code,name,kind,parent,timezone
city,City,city,,Europe/Chisinau
flat,Flat,flat,city,

[points]
code,name,node,resource
water,Water,flat,cold_water

[meters]
serial,resource,pulses_per_unit
w-1,cold_water,1000

[modules]
serial,node
4711,flat

[mountings]
meter,point,module,input
w-1,water,4711,1
"""
READINGS = """wer;wann;stand
water;10.01.2026 12:00;1,000
water;10.01.2026 13:20;1,080
water;10.01.2026 14:20;1,140
water;12.01.2026 08:00;0,900
"""
FOREIGN = ("--column", "point=wer", "--column", "time=wann", "--column", "dial=stand")


def balans(url: str, *args: str) -> Done:
    environment = {name: value for name, value in os.environ.items() if "BALANS_" not in name}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    environment |= {"BALANS_DATABASE_URL": url, "BALANS_MQTT_URL": "mqtt://127.0.0.1:1"}
    return subprocess.run(
        [sys.executable, "-m", "balans", *args],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def result(done: Done) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture
def empty_url(own_pg_url: str) -> str:
    """A database where nothing is registered yet."""
    assert balans(own_pg_url, "db", "init").returncode == 0
    return own_pg_url


@pytest.fixture(scope="module")
def url(pg_url: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """One with the utility of `REGISTRY`."""
    file = tmp_path_factory.mktemp("registry") / "registry.csv"
    file.write_text(REGISTRY)
    assert balans(pg_url, "db", "init").returncode == 0
    assert balans(pg_url, "import", "registry", str(file), "--tenant", "one").returncode == 0
    return pg_url


def test_a_registry_and_readings_go_in_and_out(empty_url: str, tmp_path: Path) -> None:
    """The clerk's day: look, mend, import, read, carry elsewhere."""
    url = empty_url
    registry, water = tmp_path / "registry.csv", tmp_path / "water.csv"
    registry.write_text(REGISTRY.replace("cold_water,1000", "beer,1000"))
    refused = balans(url, "import", "registry", str(registry), "--tenant", "one")
    assert refused.returncode == 2
    assert "error: registry.csv: meters, line 16: meter w-1: resource: 'beer'" in refused.stderr
    assert "reading rows\n" in refused.stderr
    registry.write_text(REGISTRY)
    checked = result(
        balans(url, "import", "registry", str(registry), "--tenant", "one", "--check", "--json")
    )
    assert (checked["state"], checked["import"]) == ("checked", None)
    made = result(balans(url, "import", "registry", str(registry), "--tenant", "one", "--json"))
    assert (made["state"], made["created"], made["errors"]) == ("applied", 7, 0)

    water.write_text(READINGS)
    ask = ("import", "readings", str(water), *FOREIGN, "--unit", "m3", "--json")
    odd = tmp_path / "odd.csv"
    first = result(balans(url, *ask, "--findings", str(odd)))
    assert (first["new"], first["estimated"]) == (4, 2)
    assert [one["code"] for one in first["findings"]] == ["off_hour", "went_back", "gap"]
    with odd.open(newline="") as file:
        assert [row["line"] for row in csv.DictReader(file)] == ["3", "5", "5"]
    assert result(balans(url, *ask))["new"] == 0

    plain, book = tmp_path / "all.csv", tmp_path / "all.xlsx"
    assert result(balans(url, "export", "readings", "--out", str(plain), "--json"))["readings"] == 4
    assert plain.read_text() == (
        "channel,point,time,register,quality\n"
        "4711-1,water,2026-01-10T10:00:00Z,1000,measured\n"
        "4711-1,water,2026-01-10T11:00:00Z,1060,estimated\n"
        "4711-1,water,2026-01-10T12:00:00Z,1120,estimated\n"
        "4711-1,water,2026-01-12T06:00:00Z,900,measured\n"
    )
    balans(url, "export", "readings", "--out", str(book))
    assert result(balans(url, "import", "readings", str(book), "--json"))["same"] == 4
    sheets = tmp_path / "registry.xlsx"
    counts = result(balans(url, "export", "registry", "--out", str(sheets), "--json"))["rows"]
    assert counts["nodes"] == 2
    again = result(balans(url, "import", "registry", str(sheets), "--json"))
    assert (again["created"], again["updated"]) == (0, 0)


def test_the_first_sheet_of_an_empty_server_is_a_form(empty_url: str, tmp_path: Path) -> None:
    text = balans(empty_url, "export", "registry", "--out", "-").stdout
    names = [row[0] for row in csv.reader(io.StringIO(text)) if row and row[0].startswith("[")]
    assert names[:3] == ["[tenant]", "[nodes]", "[points]"]
    assert not list(tmp_path.iterdir())
    file = tmp_path / "r.csv"
    file.write_text(READINGS)
    early = balans(empty_url, "import", "readings", str(file))
    assert early.returncode == 2
    assert "nothing is registered yet: import the registry first" in early.stderr


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("import", "registry", "nowhere.csv"), "nowhere.csv: No such file or directory"),
        (("import", "readings", "{file}", "--tenant", "two"), "--tenant two: there is no such"),
        (("import", "readings", "{file}", "--wide", "width"), "--wide width: expected one of"),
        (("import", "readings", "{file}", "--column", "point"), "--column point: expected OURS="),
        (("import", "readings", "{file}", "--column", "a=b"), "column a: expected one of"),
        (("import", "readings", "{file}", "--unit", "pint"), "unit 'pint': expected one of"),
        (("import", "readings", "{file}", "--timezone", "Mars"), "--timezone Mars: not known"),
        (("import", "readings", "{file}", "--time-format", "%H"), "time format '%H': needs at"),
        (("import", "readings", "{file}", "--max-gap-h", "-1"), "gap of -3600 s: expected"),
        (("import", "readings", "{file}", "--max-gap-h", "nan"), "--max-gap-h nan: expected a"),
        (("import", "readings", "{file}", "--max-gap-h", "inf"), "--max-gap-h inf: expected a"),
        (("import", "readings", "{file}"), "r.csv: no column 'time'"),
    ],
)
def test_bad_input_is_told_with_the_option(
    url: str, tmp_path: Path, args: tuple[str, ...], says: str
) -> None:
    file = tmp_path / "r.csv"
    file.write_text("a,b\n1,2\n")
    done = balans(url, *(arg.format(file=file) for arg in args))
    assert done.returncode == 2
    assert says in done.stderr


class Screen(io.StringIO):
    """A terminal that somebody watches."""

    @override
    def isatty(self) -> bool:
        return True


def test_progress_is_a_line_that_changes_or_a_line_a_step() -> None:
    log, screen = io.StringIO(), Screen()
    for out in (log, screen):
        lines = Lines(out)
        lines("rows", 5_000, 0)
        lines("rows", 10_000, 0)
        lines("hours", 0, 12_345)
        lines("node", 0, 0)
        lines.end()
    assert log.getvalue() == "reading rows\ncomputing full hours (12,345)\nstoring: nodes\n"
    assert "reading rows 10,000" in screen.getvalue()
    assert screen.getvalue().endswith("\r\x1b[2K")
