"""Everything is killed at random moments; nothing is lost, and no yellow load stays off.

The oracle is the ledger that the simulated modules write themselves.
"""

import csv
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from balans.adapters.localmqtt import Mosquitto

TARGETS = {
    "gateway": "balans gateway",
    "head-end": "balans headend",
    "broker": "localmqtt.serve",
    "database": "postgres -D",
}
"""What to kill, and a part of the command line by which it is found."""

REST_S = 4.0


@dataclass
class Killer:
    """Kills children of the demo: each target once a round, in a new order each round."""

    parent: int
    random: random.Random
    mosquitto: Mosquitto | None
    killed: Counter[str] = field(default_factory=Counter)
    waiting: list[str] = field(default_factory=list)
    rounds: int = 0

    def pause(self) -> None:
        """Wait a moment; after every second round longer, so that control comes to its turn."""
        is_rest = not self.waiting and self.rounds % 2 == 0
        time.sleep(REST_S if is_rest else self.random.uniform(0.3, 1.3))

    def strike(self) -> None:
        if not self.waiting:
            self.waiting = self.random.sample(list(TARGETS), len(TARGETS))
            self.rounds += 1
        target = self.waiting.pop()
        pids = self.pids(target)
        if pids:
            os.kill(self.random.choice(pids), signal.SIGKILL)
            self.killed[target] += 1

    def pids(self, target: str) -> list[int]:
        if target == "broker" and self.mosquitto:
            pid = self.mosquitto.status().pid
            return [pid] if pid else []
        return [pid for pid, line in children(self.parent) if TARGETS[target] in line]


def children(parent: int) -> list[tuple[int, str]]:
    """Return pid and command line of the direct children of a process."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            stat = (folder / "stat").read_text() if folder.name.isdigit() else ""
            line = (folder / "cmdline").read_bytes() if stat else b""
        except OSError:
            continue
        if stat and int(stat.rsplit(")", 1)[1].split()[1]) == parent:
            found.append((int(folder.name), line.replace(b"\0", b" ").decode()))
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.slow
@pytest.mark.parametrize(
    "broker", ["embedded", pytest.param("mosquitto", marks=pytest.mark.mosquitto)]
)
def test_nothing_is_lost_when_everything_is_killed(
    server_dir: Path, tmp_path: Path, broker: str, request: pytest.FixtureRequest
) -> None:
    mosquitto = request.getfixturevalue("mosquitto_broker") if broker == "mosquitto" else None
    env = {**os.environ, **({"BALANS_MQTT_URL": mosquitto.url} if mosquitto else {})}
    data_dir, report = server_dir / f"kill-{broker}", tmp_path / "report.json"
    command = [
        sys.executable, "-m", "balans", "demo", "--data-dir", str(data_dir), "--port",
        str(free_port()), "--headless", "--sim-hours", "36", "--speed", "max",
        "--report", str(report),
    ]  # fmt: skip
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=env) as demo,
    ):
        killer = Killer(demo.pid, random.Random(broker), mosquitto)
        wait_for_replay(tmp_path / "log", demo)
        while "Tue 13 Jan 12:00" not in (tmp_path / "log").read_text() and demo.poll() is None:
            killer.pause()
            killer.strike()
        demo.wait(180)
    said = (tmp_path / "log").read_text()
    assert demo.returncode == 0, said
    assert all(killer.killed[target] >= 2 for target in TARGETS), killer.killed
    found = json.loads(report.read_text())
    assert found["readings"]["missing"] == found["readings"]["duplicates"] == 0, said
    assert found["yellow"]["interruptions"] > 0
    assert found["yellow"]["longest_off_s"] <= 900
    assert found["red"]["interruptions"] == 0
    assert exported(data_dir, tmp_path / "export.csv") == counted(data_dir)


def wait_for_replay(log: Path, demo: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 120
    while " 08:00 " not in log.read_text():
        assert demo.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.05)


def exported(data_dir: Path, out: Path) -> Counter[tuple[str, str, str]]:
    """Return the stored readings by the export command, from a database that has just stopped."""
    export = [sys.executable, "-m", "balans", "export", "readings", "--out", str(out)]
    subprocess.run([*export, "--data-dir", str(data_dir)], check=True, capture_output=True)
    with out.open() as file:
        return Counter((r["channel"], r["time"], r["register"]) for r in csv.DictReader(file))


def counted(data_dir: Path) -> Counter[tuple[str, str, str]]:
    """Return the readings as the modules counted them."""
    with (data_dir / "demo" / "ledger.csv").open() as file:
        return Counter((r["channel"], r["time"], r["register"]) for r in csv.DictReader(file))
