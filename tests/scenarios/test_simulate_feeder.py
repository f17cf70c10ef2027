"""``balans simulate feeder`` as a user runs it: the files, and what it says of mistakes."""

import csv
import json
from pathlib import Path

import pytest

from balans.cli.main import main

FILES = ["plot.png", "summary.json", "trace.csv"]
SMALL = ("--flats", "12", "--participation", "0,40%,1", "--seeds", "2")


def run(*args: str | Path) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(arg) for arg in args])
    return int(caught.value.code or 0)


def feeder(out: Path, *args: str) -> int:
    return run("simulate", "feeder", "--out", out, *args)


def test_it_writes_summary_trace_and_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert feeder(out, *SMALL, "--ev-share", "0.5", "--transformer-kva", "31.5", "--json") == 0
    assert sorted(path.name for path in out.iterdir()) == FILES
    summary = json.loads((out / "summary.json").read_text())
    assert json.loads(capsys.readouterr().out) == summary
    assert summary["limit_kw"] == pytest.approx(29.925)
    assert [row["share"] for row in summary["participation"]] == [0.0, 0.4, 1.0]
    assert [row["flats_taking_part"] for row in summary["participation"]] == [0, 5, 12]
    for row in summary["participation"]:
        assert row["longest_yellow_off_s"]["most"] <= 900
        assert row["hot_spot_c"]["least"] > summary["transformer"]["ambient_c"]
    over = [row["overload_kwh"]["median"] for row in summary["participation"]]
    assert over[0] > over[1] > over[2]
    with (out / "trace.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 1440
    peak_kw = max(float(row["uncoordinated_kw"]) for row in rows)
    assert summary["uncoordinated"]["peak_kw"]["least"] - 1e-3 <= peak_kw
    assert (out / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_seed_gives_the_same_bytes_in_one_process_and_in_two(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert feeder(one, *SMALL, "--jobs", "1") == 0
    assert feeder(two, *SMALL, "--jobs", "2") == 0
    for name in FILES:
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_the_table_is_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert feeder(tmp_path, *SMALL, "--jobs", "1", "--limit-kw", "24") == 0
    printed = capsys.readouterr().out
    assert "12 flats, limit 24 kW" in printed
    assert "40%" in printed
    assert "written to" in printed


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--flats", "0"), "flats = 0: expected 1 to 1000"),
        (("--flats", "many"), "--flats"),
        (("--participation", "0,1.4"), "--participation '1.4': expected 0 to 1"),
        (("--participation", "some"), "--participation 'some'"),
        (("--participation", ""), "--participation ''"),
        (("--ev-share", "2"), "ev-share = 2.0: expected 0 to 1"),
        (("--heat-pump-share", "-0.1"), "heat-pump-share = -0.1"),
        (("--limit-kw", "0"), "--limit-kw 0: expected a number above 0"),
        (("--transformer-kva", "nan"), "--transformer-kva nan"),
        (("--flat-limit-kw", "-3"), "--flat-limit-kw -3: expected a number above 0"),
        (("--ambient-c", "100"), "ambient-c = 100.0: expected -50 to 60"),
        (("--seeds", "0"), "seeds = 0: expected 1 to 100"),
        (("--days", "9"), "days = 9: expected 1 to 7"),
    ],
)
def test_bad_input_is_told_and_nothing_written(
    args: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert feeder(out, *args) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_results_that_cannot_be_written_are_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").write_text("a file")
    assert feeder(tmp_path / "out", *SMALL, "--jobs", "1") == 1
    assert "cannot write there" in capsys.readouterr().err
