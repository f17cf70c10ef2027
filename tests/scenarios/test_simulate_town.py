"""``balans simulate town`` as a user runs it: every reading of the ledger ends in the database."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from balans.simulator.ledger import read

START_S = 240


def simulate(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "balans", "simulate", "town", *args],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )


@pytest.mark.slow
def test_embedded_parts_are_started_and_a_second_town_joins_the_first(
    server_dir: Path, tmp_path: Path
) -> None:
    data, ledger = server_dir / "simulate-town", tmp_path / "truth.csv"
    common = ("--data-dir", str(data), "--hours", "26", "--json")
    first = simulate("--hubs", "2", "--modules", "3", "--ledger", str(ledger), *common)
    assert first.returncode == 0, first.stderr
    report = json.loads(first.stdout)
    readings = 27 * 18
    assert report["readings"] == {
        "expected": readings,
        "stored": readings,
        "missing": 0,
        "wrong": 0,
    }
    assert (report["hubs"], report["modules"], report["channels"]) == (2, 6, 18)
    assert len(read(ledger)) == readings

    again = simulate("--hubs", "2", "--modules", "4", *common)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["readings"]["stored"] == 27 * 24

    other = simulate("--seed", "2", "--ledger", str(ledger), *common)
    assert other.returncode == 0, other.stderr
    assert json.loads(other.stdout)["readings"]["missing"] == 0
    assert len(read(ledger)) == 27 * 72


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--hubs", "0"], "--hubs: 0"),
        (["--modules", "241"], "--modules: 241"),
        (["--seed", "-1"], "--seed: -1"),
        (["--speed", "fast"], "--speed fast"),
        (["--ledger", "/nowhere/truth.csv"], "--ledger /nowhere/truth.csv"),
        (["--hours", "none"], "--hours"),
    ],
)
def test_bad_input_is_named_and_nothing_is_started(
    args: list[str], said: str, tmp_path: Path
) -> None:
    done = simulate(*args, "--data-dir", str(tmp_path / "data"))
    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_wrong_database_is_named_without_its_password(tmp_path: Path) -> None:
    url = "postgresql://balans:secret@127.0.0.1:9/none"
    done = simulate("--data-dir", str(tmp_path), BALANS_DATABASE_URL=url)
    assert done.returncode == 2
    assert "BALANS_DATABASE_URL" in done.stderr
    assert "secret" not in done.stderr + done.stdout
    assert not list(tmp_path.iterdir())


def test_an_empty_database_of_others_is_not_filled_unasked(pg_url: str, tmp_path: Path) -> None:
    done = simulate(
        "--data-dir",
        str(tmp_path),
        BALANS_DATABASE_URL=pg_url,
        BALANS_MQTT_URL="mqtt://127.0.0.1:9",
    )
    assert done.returncode == 1
    assert "balans db migrate" in done.stderr
