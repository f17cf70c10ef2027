"""Children are restarted when they die and are gone after stop."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from balans.adapters.children import Children
from balans.core.errors import UnavailableError

FOREVER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "condition not met in time"
        time.sleep(0.02)


def test_a_killed_child_comes_back_and_stop_ends_it(tmp_path: Path) -> None:
    children = Children()
    first = children.start("one", FOREVER, tmp_path / "one.log").pid
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: children["one"].pid != first and children["one"].process.poll() is None)
    assert children["one"].restarts == 1
    wait_for(lambda: (tmp_path / "one.log").read_text().count("up") >= 1)
    second = children["one"].pid
    children.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(second, 0)


def test_a_deaf_child_is_killed_in_the_end(tmp_path: Path) -> None:
    deaf = "import signal,time; signal.signal(15, signal.SIG_IGN)"
    code = f"{deaf}; print('up', flush=True); time.sleep(600)"
    children = Children()
    child = children.start("deaf", [sys.executable, "-c", code], tmp_path / "deaf.log")
    wait_for(lambda: "up" in (tmp_path / "deaf.log").read_text())
    children.stop(timeout_s=0.3)
    assert child.process.returncode == -signal.SIGKILL


def test_children_end_with_their_parent(tmp_path: Path) -> None:
    code = f"""
import pathlib, time
from balans.adapters.children import Children
children = Children()
child = children.start("one", {FOREVER!r}, pathlib.Path({str(tmp_path / "one.log")!r}))
print(child.pid, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        wait_for(lambda: (tmp_path / "one.log").read_text().strip() == "up")
        parent.kill()
        parent.wait()
    wait_for(lambda: not _running(pid))


def _running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rsplit(")", 1)[1].split()[0] != "Z"


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="nothing: cannot start /no/such/program"):
        Children().start("nothing", ["/no/such/program"], tmp_path / "log")
