"""``balans simulate site`` as a user runs it: the files it writes, and what it says of mistakes."""

import csv
import gzip
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from balans.cli.main import main

SITE = """
[site]
name = "house"
profile = "profile.csv"
timezone = "Europe/Paris"
[[limit]]
name = "contract"
source = "operator"
kw = 4.0
[[load]]
name = "heater"
class = "yellow"
rated_w = 2000
[[load]]
name = "washer"
class = "green"
deadline = "23:00"
"""
FILES = ["plot.html", "plot.png", "summary.json", "trace.csv"]


def profile_text(minutes: int = 2 * 1440) -> str:
    rows = ["time,base_w,heater_w,washer_w"]
    for minute in range(minutes):
        hour = minute // 60 % 24
        base = 3000 if 17 <= hour < 21 else 800
        heater = 2000 if minute % 50 < 30 else 0
        washer = 1500 if 18 <= hour < 19 else 0
        day, clock = divmod(minute, 1440)
        time = f"2026-01-{12 + day:02d} {clock // 60:02d}:{clock % 60:02d}"
        rows.append(f"{time},{base},{heater},{washer}")
    return "\n".join(rows) + "\n"


@pytest.fixture
def house(tmp_path: Path) -> Path:
    (tmp_path / "SITE.toml").write_text(SITE)
    (tmp_path / "profile.csv").write_text(profile_text())
    return tmp_path


def run(*args: str | Path) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(arg) for arg in args])
    return int(caught.value.code or 0)


def test_the_four_files(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = house / "new" / "out"
    assert run("simulate", "site", house / "SITE.toml", "--out", out, "--json") == 0
    assert sorted(path.name for path in out.iterdir()) == FILES
    summary = json.loads((out / "summary.json").read_text())
    assert json.loads(capsys.readouterr().out) == summary
    over = summary["overload_kwh"]
    assert 0 <= over["unavoidable"] < over["controlled"] < over["uncontrolled"]
    assert summary["loads"]["heater"]["interruptions"] > 0
    assert 0 < summary["loads"]["heater"]["longest_off_s"] <= 900
    assert summary["loads"]["washer"]["late_kwh"] == 0
    assert summary["decision_us"]["p99"] >= summary["decision_us"]["p50"] > 0
    assert set(summary) >= {
        "steps", "step_s", "overload_kwh", "minutes_over", "peak_kw", "loads", "switches", "cost",
    }  # fmt: skip
    assert (out / "plot.png").read_bytes().startswith(b"\x89PNG")
    page = (out / "plot.html").read_text()
    assert "uPlot" in page
    assert "http" not in page.replace("https://github.com/leeoniya/uPlot", "").lower()


def test_the_trace_tells_what_the_summary_sums_up(house: Path) -> None:
    run("simulate", "site", house / "SITE.toml", "--out", house)
    with (house / "trace.csv").open() as file:
        rows = list(csv.DictReader(file))
    summary = json.loads((house / "summary.json").read_text())
    kwh = sum(max(0.0, float(row["controlled_w"]) - float(row["limit_w"])) for row in rows) / 60_000
    assert kwh == pytest.approx(summary["overload_kwh"]["controlled"], abs=1e-4)
    off = [row["heater_on"] == "0" for row in rows]
    starts = sum(now and not before for before, now in pairwise(off))
    assert starts == summary["loads"]["heater"]["interruptions"]


def test_a_packed_profile_gives_the_same(house: Path) -> None:
    run("simulate", "site", house / "SITE.toml", "--out", house / "plain")
    (house / "profile.csv.gz").write_bytes(gzip.compress(profile_text().encode()))
    (house / "SITE.toml").write_text(SITE.replace("profile.csv", "profile.csv.gz"))
    run("simulate", "site", house / "SITE.toml", "--out", house / "packed")
    traces = [(house / name / "trace.csv").read_bytes() for name in ("plain", "packed")]
    assert traces[0] == traces[1]


MISTAKES = {
    "load class": ("SITE.toml", SITE.replace('"yellow"', '"purple"'), "load[0].class = 'purple'"),
    "toml": ("SITE.toml", SITE + "[[", "SITE.toml: "),
    "text": (
        "profile.csv",
        profile_text().replace(",800,", ",many,", 1),
        "line 2: base_w = 'many'",
    ),
    "nan": ("profile.csv", profile_text().replace(",800,", ",nan,", 1), "line 2: base_w = 'nan'"),
    "gap": (
        "profile.csv",
        profile_text().replace("2026-01-12 00:07,800,2000,0\n", ""),
        "line 9: time = '2026-01-12 00:08': a gap: 1 steps",
    ),
    "column": ("profile.csv", profile_text().replace("washer_w", "washing_w"), "column washer_w"),
    "empty": ("profile.csv", "", "profile.csv: empty"),
    "interval": (
        "SITE.toml",
        SITE.replace("kw = 4.0", "kw = 4.0\ninterval_s = 60"),
        "limit[0].interval_s = 60: expected 0",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_and_nothing_is_written(
    mistake: str, house: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, text, told = MISTAKES[mistake]
    (house / name).write_text(text)
    assert run("simulate", "site", house / "SITE.toml", "--out", house / "out") == 2
    error = capsys.readouterr().err
    assert told in error
    assert str(house / name) in error
    assert not (house / "out").exists()


def test_an_interval_that_the_steps_do_not_fill_names_the_site_file(
    house: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (house / "SITE.toml").write_text(SITE.replace("kw = 4.0", "kw = 4.0\ninterval_s = 900"))
    lines = profile_text().splitlines()
    (house / "profile.csv").write_text("\n".join([lines[0], *lines[1::7]]) + "\n")
    assert run("simulate", "site", house / "SITE.toml", "--out", house / "out") == 2
    error = capsys.readouterr().err
    assert f"{house / 'SITE.toml'}: limit 'contract': interval_s = 900" in error
    assert not (house / "out").exists()


def test_missing_broken_and_strange_files(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = house / "out"
    assert run("simulate", "site", house / "none.toml", "--out", out) == 2
    assert "none.toml: No such file" in capsys.readouterr().err
    (house / "profile.csv").unlink()
    assert run("simulate", "site", house / "SITE.toml", "--out", out) == 2
    (house / "SITE.toml").write_bytes(b"\xff\xfe")
    assert run("simulate", "site", house / "SITE.toml", "--out", out) == 2
    assert "not UTF-8" in capsys.readouterr().err
    (house / "SITE.toml").write_text(SITE.replace("profile.csv", "p.gz"))
    for data in (b"no gzip", gzip.compress(b"time,base_w")[:-9]):
        (house / "p.gz").write_bytes(data)
        assert run("simulate", "site", house / "SITE.toml", "--out", out) == 2
        assert "p.gz: not a whole gzip file" in capsys.readouterr().err
    assert run("simulate", "site", house / "SITE.toml") == 2  # --out is missing
    assert not out.exists()


def test_results_that_cannot_be_written(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (house / "file").write_text("in the way")
    assert run("simulate", "site", house / "SITE.toml", "--out", house / "file" / "out") == 1
    assert "cannot write there" in capsys.readouterr().err


def test_a_failed_picture_leaves_the_old_results(
    house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("simulate", "site", house / "SITE.toml", "--out", house / "out")
    before = {path.name: path.read_bytes() for path in (house / "out").iterdir()}
    (house / "SITE.toml").write_text(SITE.replace("kw = 4.0", "kw = 5.0"))

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("balans.adapters.pictures.site_png.draw_site", full)
    assert run("simulate", "site", house / "SITE.toml", "--out", house / "out") == 1
    assert {path.name: path.read_bytes() for path in (house / "out").iterdir()} == before


def test_bench_control_compares(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("bench", "control", house / "SITE.toml", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    over = found["overload_kwh"]
    assert over["unavoidable"] <= over["foresight"] <= over["ours"] <= over["uncontrolled"]
    assert over["foresight"] <= over["threshold_rule"]
    assert "washer" in found["foresight"]["method"]
    assert found["longest_yellow_off_s"]["ours"] <= 900


def test_it_runs_as_a_program_without_django(house: Path) -> None:
    code = (
        "import sys; from balans.cli.main import main\n"
        "try: main()\nfinally: assert not {'django', 'psycopg'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "simulate", "site", "SITE.toml", "--out", "out"],
        cwd=house, capture_output=True, text=True, check=False, env=os.environ,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "with control" in done.stdout
