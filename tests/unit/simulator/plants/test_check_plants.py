"""The check beside recordings: made-up days in the form of the recordings, and the real ones."""

import gzip
import importlib.util
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).parents[4]
DAY_S = 86_400
Power = Callable[[int], float]


def tool(name: str) -> ModuleType:
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, ROOT / f"tools/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


CHECK = tool("check_plants")
RECORDS = tool("plant_records")


def record(folder: Path, name: str, power: Power, every_s: int = 2) -> None:
    """Write a made-up day in the form of tracebase."""
    path = folder / "appliances_de_1s" / f"{name}.csv.gz"
    path.parent.mkdir(exist_ok=True)
    lines = []
    for second in range(0, DAY_S, every_s):
        hour, minute, rest = second // 3_600, second // 60 % 60, second % 60
        watts = power(second)
        lines.append(f"05/01/2012 {hour:02d}:{minute:02d}:{rest:02d};{watts:.0f};{watts:.0f}\n")
    path.write_bytes(gzip.compress("".join(lines).encode()))


def freezer(run_s: int, rest_s: int, watts: float = 160.0) -> Power:
    def power(second: int) -> float:
        into = (second + 600) % (run_s + rest_s)
        return (watts if into else 8 * watts) if into < run_s else 2.0

    return power


def dishwasher(second: int) -> float:
    into = second - 10 * 3_600
    heats = 300 <= into < 900 or 2_100 <= into < 2_700
    return 2_050.0 if heats else 70.0 if 0 <= into < 3_000 else 0.0


def freezer_days(folder: Path, first: Power, second: Power) -> None:
    record(folder, "Freezer_dev_D36601_2012.01.21", first)
    record(folder, "Freezer_dev_D36601_2012.01.22", second)


def test_a_steady_freezer_is_fitted_exactly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    freezer_days(tmp_path, freezer(600, 3_600), freezer(600, 3_600))
    assert CHECK.main([str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    fitted = {row["figure"]: row for row in told["figures"] if row["parameters"] == "fitted"}
    for figure in ("power on [W]", "run [min]", "period [min]", "duty [%]", "energy a day [Wh]"):
        assert abs(fitted[figure]["error_percent"]) < 3, figure
    assert fitted["start peak [1]"]["error_percent"] == pytest.approx(0, abs=10)
    typical = {row["figure"]: row for row in told["figures"] if row["parameters"] == "typical"}
    assert typical["run [min]"]["error_percent"] == pytest.approx(40, abs=3)
    assert len(told["missing"]) == 11


def test_another_freezer_is_out_of_bound(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    freezer_days(tmp_path, freezer(600, 3_600), freezer(1_500, 3_600, 160.0))
    assert CHECK.main([str(tmp_path)]) == 1
    out = [line for line in capsys.readouterr().out.splitlines() if "| out |" in line]
    assert any("| fitted | run [min] | 25 | 10" in line for line in out)
    assert not any("power on" in line for line in out)


def test_a_typical_freezer_must_have_the_right_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    freezer_days(tmp_path, freezer(600, 3_600, 40.0), freezer(600, 3_600, 40.0))
    assert CHECK.main([str(tmp_path)]) == 1
    assert "| typical | power on [W] | 40 | 190 | +375 | 1.5 | out |" in capsys.readouterr().out


def test_one_programme_is_checked_in_its_own_sample(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path, "Dishwasher_dev_B82F81_2011.08.16", dishwasher)
    assert CHECK.main([str(tmp_path), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["figures"]
    own = {r["figure"]: r for r in rows if r["parameters"] == "fitted, in sample"}
    assert own["energy [Wh]"]["recorded"] == pytest.approx((1_200 * 2_050 + 1_800 * 70) / 3_600)
    assert own["energy [Wh]"]["plant"] == pytest.approx(own["energy [Wh]"]["recorded"], rel=1e-3)
    assert own["heating [min]"]["plant"] == pytest.approx(20, abs=0.5)


def test_the_table_goes_between_the_marks(tmp_path: Path) -> None:
    record(tmp_path, "Dishwasher_dev_B82F81_2011.08.16", dishwasher)
    page = tmp_path / "page.md"
    page.write_text(f"before\n{CHECK.BEGIN}\nold\n{CHECK.END}\nafter\n")
    assert CHECK.main([str(tmp_path), "--write", str(page)]) == 0
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "| dishwasher |" in text
    assert "old" not in text
    page.write_text("no marks\n")
    assert CHECK.main([str(tmp_path), "--write", str(page)]) == 2


def test_bad_input_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert CHECK.main([str(tmp_path)]) == 2
    assert "no recording" in capsys.readouterr().err
    path = tmp_path / "appliances_de_1s" / "Dishwasher_dev_B82F81_2011.08.16.csv.gz"
    path.parent.mkdir()
    for content, named in (
        (gzip.compress(b"01/01/2012 00:00:00;1;1\n2012-01-01;2;2\n", mtime=0), "line 2"),
        (gzip.compress(b"", mtime=0), "empty"),
        (b"no gzip at all", "csv.gz"),
    ):
        path.write_bytes(content)
        assert CHECK.main([str(tmp_path)]) == 2
        assert named in capsys.readouterr().err


def test_a_heater_s_file_is_read_by_its_column(tmp_path: Path) -> None:
    path = tmp_path / "house.csv.gz"
    rows = "".join(f"t,{second % 7},{second % 3}\n" for second in range(1_440))
    path.write_bytes(gzip.compress(f"date_time,other,Sub_metering_3\n{rows}".encode()))
    power = RECORDS.read_heater(path)
    assert power.shape == (1, 1_440)
    assert power[0, :3].tolist() == [0, 60, 120]
    for content, named in (
        ("a,b\n1,2\n", "Sub_metering_3"),
        ("t,Sub_metering_3\nx,y\n", "line 2"),
        ("t,Sub_metering_3\nx,1\n", "whole days"),
    ):
        path.write_bytes(gzip.compress(content.encode()))
        with pytest.raises(RECORDS.RecordError, match=named):
            RECORDS.read_heater(path)


def test_short_breaks_and_short_runs() -> None:
    on = np.zeros(1_000, dtype=np.bool_)
    on[100:200] = on[220:300] = on[500:530] = True
    assert RECORDS.runs_of(on) == [(100, 300)]
    assert RECORDS.runs_of(on, 0, 1) == [(100, 200), (220, 300), (500, 530)]


@pytest.mark.slow
def test_plants_are_near_the_recordings(capsys: pytest.CaptureFixture[str]) -> None:
    folder = os.environ.get("BALANS_TEST_RECORDINGS")
    if not folder:
        pytest.skip("set BALANS_TEST_RECORDINGS to the folder with appliances_de_1s")
    code = CHECK.main([folder])
    assert code == 0, capsys.readouterr().out
