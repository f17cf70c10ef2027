"""The demo as a newcomer runs it: a whole day, one at a time, with inputs checked first."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

DEMO = [sys.executable, "-m", "balans", "demo"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _heed_ctrl_c() -> None:
    """A test runner in the background may have told its children to ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def running_demo(data_dir: Path, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the demo as in a terminal until the block ends, in a process group of its own."""
    with (
        log.open("wb") as out,
        subprocess.Popen(
            [*DEMO, "--data-dir", str(data_dir), "--port", str(port)],
            stdout=out,
            stderr=subprocess.STDOUT,
            process_group=0,
            preexec_fn=_heed_ctrl_c,  # noqa: PLW1509  (one system call)
        ) as demo,
    ):
        try:
            yield demo
        finally:
            demo.kill()


def wait_for(text: str, log: Path, demo: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 120
    while text not in log.read_text():
        assert demo.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.05)


def refused(*options: str) -> tuple[int, str]:
    """Run the demo with `options` that it shall refuse; return the code and what it said."""
    done = subprocess.run([*DEMO, *options], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "creating the database" not in done.stdout
    return done.returncode, done.stderr


@pytest.mark.slow
def test_a_day_from_pulse_to_page(server_dir: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = subprocess.run(
        [*DEMO, "--data-dir", str(server_dir / "day"), "--port", str(free_port()), "--headless",
         "--sim-hours", "24", "--speed", "max", "--report", str(report)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(report.read_text())
    assert found["sim_hours"] == 24
    assert found["readings"]["expected"] == found["readings"]["stored"] == 25 * 121
    assert found["readings"]["missing"] == found["readings"]["duplicates"] == 0
    overload = found["site"]["overload_kwh"]
    assert overload["unavoidable"] <= overload["controlled"] < 0.25 * overload["uncontrolled"]
    assert found["red"]["interruptions"] == 0
    assert 0 < found["yellow"]["longest_off_s"] <= 900
    assert found["green"]["late_kwh"] == 0
    assert found["commands"]["sent"] == found["commands"]["confirmed"] > 0
    assert found["commands"]["latency_s"]["p50"] > 0
    assert set(found["pages"].values()) == {200}
    assert {"/", "/sites/house-1/", "/sites/house-1/transformer/"} <= found["pages"].keys()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_overload_is_met_by_an_event(server_dir: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    options = ["--data-dir", str(server_dir / "overload"), "--port", str(free_port()),
               "--headless", "--speed", "max"]  # fmt: skip
    done = subprocess.run(
        [*DEMO, *options, "--scenario", "overload", "--sim-hours", "23", "--report", str(report)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(report.read_text())
    event = found["event"]
    assert event["events"] >= 1
    assert event["coverage"] == 1
    assert 0 < event["target_kw"] * 0.9 <= event["achieved_kw"]
    assert 0 < event["latency_s"]["p50"] <= event["latency_s"]["p95"] <= 180
    assert event["rebound_kw"] <= 0
    assert 0 < event["detected_s"] <= 600
    overload = found["site"]["overload_kwh"]
    assert overload["controlled"] < 0.25 * overload["uncontrolled"]
    assert found["readings"]["missing"] == found["readings"]["duplicates"] == 0
    assert found["red"]["interruptions"] == 0
    assert 0 < found["yellow"]["longest_off_s"] <= 900
    assert set(found["pages"].values()) == {200}
    code, said = refused(*options)
    assert (code, "was begun with --scenario overload" in said) == (2, True)


@pytest.mark.slow
def test_one_demo_at_a_time_and_it_goes_on_after_ctrl_c(server_dir: Path, tmp_path: Path) -> None:
    data_dir, port, log = server_dir / "twice", free_port(), tmp_path / "log"
    with running_demo(data_dir, port, log) as demo:
        wait_for(" 02:00 ", log, demo)
        code, said = refused("--data-dir", str(data_dir), "--port", str(free_port()))
        assert (code, "a demo already runs on" in said) == (1, True)
        code, said = refused("--data-dir", str(data_dir), "--port", str(free_port()), "--reset")
        assert (code, "a demo already runs on" in said) == (1, True)
        code, said = refused("--data-dir", str(tmp_path / "other"), "--port", str(port))
        assert code == 2
        assert f"--port {port}: Address already in use" in said
        os.killpg(demo.pid, signal.SIGINT)
        assert demo.wait(30) == 0, log.read_text()
        assert "Everything is stopped" in log.read_text()
    with running_demo(data_dir, port, log) as demo:
        wait_for("kW, without control", log, demo)
        assert " 01:00 " not in log.read_text()
    code, said = refused(
        "--data-dir", str(data_dir), "--port", str(free_port()), "--headless", "--seed", "2"
    )
    assert (code, "belongs to another town" in said) == (2, True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--speed", "fast"], "--speed fast: expected max, or a number"),
        (["--report", "/no/such/report.json"], "--report /no/such/report.json: the folder"),
        (["--data-dir", "/proc/nothing"], "--data-dir /proc/nothing:"),
        (["--sim-hours", "0"], "--sim-hours"),
    ],
    ids=["speed", "report", "data-dir", "sim-hours"],
)
def test_bad_input_is_refused_before_any_work(options: list[str], words: str) -> None:
    code, said = refused("--port", str(free_port()), *options)
    assert code == 2
    assert words in said
