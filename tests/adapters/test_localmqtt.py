"""The brokers: one owner, a port that stays, back after a kill, gone with the owner."""

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from balans.adapters.localmqtt import (
    LocalBroker,
    Mosquitto,
    find_running,
    mosquitto_program,
    start_mosquitto,
)
from balans.core.errors import UnavailableError
from balans.protocols.address import parse_broker_address
from balans.supervision.lock import OwnedElsewhereError

needs_mosquitto = pytest.mark.skipif(
    mosquitto_program() is None and os.environ.get("CI") != "true",
    reason="needs mosquitto: sudo apt-get install mosquitto",
)
BOTH = pytest.mark.parametrize(
    "kind", [LocalBroker, pytest.param(Mosquitto, marks=[needs_mosquitto, pytest.mark.mosquitto])]
)
Kind = type[LocalBroker] | type[Mosquitto]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@BOTH
def test_the_port_stays_over_restart_and_kill(server_dir: Path, kind: Kind) -> None:
    broker = kind(server_dir / f"port-{kind.__name__}")
    broker.start()
    port, pid = broker.port, broker.status().pid
    assert broker.alive()
    assert pid
    told: list[str] = []
    broker.watch(told.append)
    os.kill(pid, signal.SIGKILL)
    until(lambda: broker.status().restarts == 1 and broker.alive())
    assert broker.port == port
    assert len(told) == 1
    broker.stop()
    broker.stop()
    assert not broker.alive()
    with kind(server_dir / f"port-{kind.__name__}") as again:
        assert again.port == port
        assert again.url == broker.url


@BOTH
def test_it_listens_on_this_machine_only(server_dir: Path, kind: Kind) -> None:
    with kind(server_dir / f"local-{kind.__name__}") as broker:
        wanted = f"0100007F:{broker.port:04X}"
        listening = [
            line.split()[1]
            for name in ("tcp", "tcp6")
            for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
            if line.split()[3] == "0A" and line.split()[1].endswith(f":{broker.port:04X}")
        ]
        assert listening == [wanted]


@BOTH
def test_a_port_that_was_asked_for_is_kept_to(server_dir: Path, kind: Kind) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UnavailableError, match=f"port {port} of 127.0.0.1 is taken"):
            kind(server_dir / f"asked-{kind.__name__}", port).start()
    with kind(server_dir / f"asked-{kind.__name__}", port) as broker:
        assert broker.port == port


def test_a_saved_port_taken_by_others_is_given_up(server_dir: Path) -> None:
    folder = server_dir / "given-up"
    with LocalBroker(folder) as broker:
        port = broker.port
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with LocalBroker(folder) as broker:
            assert broker.port != port
            assert broker.alive()


def test_one_owner_and_others_find_it(server_dir: Path) -> None:
    folder = server_dir / "one-owner"
    assert find_running(folder) is None
    with LocalBroker(folder) as broker:
        assert find_running(folder) == broker.url
        with pytest.raises(OwnedElsewhereError):
            LocalBroker(folder).start()
        assert broker.alive()
    assert find_running(folder) is None


def test_the_password_is_private_and_kept(server_dir: Path) -> None:
    folder = server_dir / "password"
    with LocalBroker(folder) as broker:
        address = parse_broker_address(broker.url)
        assert address.username == "balans"
        assert address.password
        for name in ("broker.toml", "connection.json"):
            assert stat.S_IMODE((folder / "mqtt" / name).stat().st_mode) == 0o600
        command = Path(f"/proc/{broker.status().pid}/cmdline").read_bytes()
        assert address.password.encode() not in command
    with LocalBroker(folder) as again:
        assert parse_broker_address(again.url).password == address.password


OWNER = """
import sys, time
from pathlib import Path
from balans.adapters.localmqtt import LocalBroker, Mosquitto
broker = globals()[sys.argv[1]](Path(sys.argv[2]))
broker.start()
print(broker.status().pid, flush=True)
time.sleep(600)
"""


@BOTH
def test_a_killed_owner_takes_its_broker_along(server_dir: Path, kind: Kind) -> None:
    folder = server_dir / f"orphan-{kind.__name__}"
    command = [sys.executable, "-c", OWNER, kind.__name__, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as owner:
        assert owner.stdout
        pid = int(owner.stdout.readline())
        owner.kill()
    until(lambda: not lives(pid))
    with kind(folder) as broker:
        assert broker.alive()


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's broker runs as another user")
@BOTH
def test_root_serves_as_somebody_else(server_dir: Path, kind: Kind) -> None:
    with kind(server_dir / f"user-{kind.__name__}") as broker:
        assert Path(f"/proc/{broker.status().pid}").stat().st_uid != 0


@needs_mosquitto
@pytest.mark.mosquitto
def test_mosquitto_is_started_as_in_production(server_dir: Path) -> None:
    broker = start_mosquitto(server_dir / "production")
    try:
        configuration = (server_dir / "production" / "mosquitto.conf").read_text()
        assert "persistence true" in configuration
        assert "max_queued_messages 0" in configuration
    finally:
        broker.stop()
    assert (server_dir / "production" / "store" / "mosquitto.db").exists()


def test_mosquitto_that_is_missing_is_named(
    server_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("balans.adapters.localmqtt.mosquitto.mosquitto_program", lambda: None)
    with pytest.raises(UnavailableError, match="apt-get install mosquitto"):
        start_mosquitto(server_dir / "missing")


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError, match="file/mqtt: Not a directory"):
        LocalBroker(tmp_path / "file").start()
