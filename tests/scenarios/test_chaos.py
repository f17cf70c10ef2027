"""Everything is struck at random moments; nothing is lost, and no yellow load stays off.

The oracles are the ledger that the simulated modules write themselves, and the acks on the wire.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

KINDS = ("clock", "disk", "twin", "kill broker", "kill database", "kill head-end", "kill hub-1",
         "kill worker", "noise")  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    "broker", ["embedded", pytest.param("mosquitto", marks=pytest.mark.mosquitto)]
)
def test_nothing_is_lost_when_everything_is_struck(
    server_dir: Path, broker: str, request: pytest.FixtureRequest
) -> None:
    if broker == "mosquitto":
        request.getfixturevalue("mosquitto_broker")  # skips without it
    data_dir = server_dir / f"chaos-{broker}"
    command = [
        sys.executable, "-m", "balans", "bench", "chaos", "--data-dir", str(data_dir),
        "--sim-hours", "30", "--seed", str(len(broker)), "--broker", broker, "--json",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
    said = done.stderr[-20_000:]
    assert done.returncode == 0, said
    report = json.loads(done.stdout)
    assert all(report["strikes"].get(kind, 0) for kind in KINDS), report["strikes"]
    readings = report["readings"]
    assert readings["expected"] == readings["stored"] > 3000
    assert readings["missing"] == readings["duplicates"] == 0, said
    assert report["acks"]["checked"] > 50
    assert report["acks"]["ahead"] == 0, report["acks"]
    assert report["yellow"]["interruptions"] > 0
    assert report["yellow"]["longest_off_s"] <= 900
    assert report["red"]["interruptions"] == 0
    assert any("not registered" in what for what in report["findings"]), report["findings"]


def test_a_used_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    command = [sys.executable, "-m", "balans", "bench", "chaos", "--data-dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "name a new folder" in done.stderr
