"""Owners, accounts and children, apart from what the children are."""

import os
import pwd
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from balans.core.errors import InputError, UnavailableError
from balans.supervision.account import Account, first_closed_folder, service_account
from balans.supervision.child import BACKOFF_S, LOG_LIMIT_BYTES, Child, Launch, run_as
from balans.supervision.lock import OwnedElsewhereError, OwnerLock, is_owned

LIMIT_S = 30.0


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def launch(tmp_path: Path, script: str, **changes: Any) -> Launch:
    ready = tmp_path / "ready"
    values: dict[str, Any] = {
        "name": "the server",
        "args": ["/bin/sh", "-c", script],
        "cwd": tmp_path,
        "log": tmp_path / "log",
        "env": {"PATH": os.defpath},
        "death_signal": signal.SIGTERM,
        "stop_signals": ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)),
        "is_ready": ready.exists,
    }
    return Launch(**(values | changes))


SERVE = "touch ready; exec sleep 600"


def test_it_runs_from_start_to_stop(tmp_path: Path) -> None:
    child = Child(launch(tmp_path, SERVE))
    pids = [child.pid]
    for action in (child.start, child.start, child.stop, child.stop, child.start, child.stop):
        action()
        pids.append(child.pid)
    first, second = pids[1], pids[5]
    assert pids == [None, first, first, None, None, second, None]
    assert first not in {None, second}


def test_a_dead_child_is_reaped_at_once_and_stays_dead_unless_watched(tmp_path: Path) -> None:
    child = Child(launch(tmp_path, SERVE))
    child.start()
    pid = child.pid or 0
    os.kill(pid, signal.SIGKILL)
    until(lambda: child.pid is None)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    told: list[str] = []
    child.watch(told.append)
    until(lambda: child.pid is not None)
    assert told == ["the server died: starting it again"]
    assert child.restarts == 1
    child.stop()


def test_a_dead_child_can_be_started_by_hand(tmp_path: Path) -> None:
    child = Child(launch(tmp_path, SERVE))
    child.start()
    os.kill(child.pid or 0, signal.SIGKILL)
    until(lambda: child.pid is None)
    child.start()
    assert child.pid
    child.stop()


def test_a_child_that_ends_while_starting_is_quoted(tmp_path: Path) -> None:
    child = Child(launch(tmp_path, "echo no such option >&2; exit 3"))
    with pytest.raises(UnavailableError, match=r"code 3\).*\nno such option"):
        child.start()


def test_a_program_that_is_missing_is_named(tmp_path: Path) -> None:
    child = Child(launch(tmp_path, "", args=["/no/such/program"]))
    with pytest.raises(UnavailableError, match="/no/such/program: No such file"):
        child.start()


def test_passing_trouble_is_tried_again(tmp_path: Path) -> None:
    script = "[ -e again ] && { touch ready; exec sleep 600; }; touch again; echo busy; exit 1"
    child = Child(launch(tmp_path, script, exit_is_passing=lambda log: "busy" in log))
    child.start()
    child.stop()
    (tmp_path / "ready").unlink()
    (tmp_path / "again").unlink()
    with pytest.raises(UnavailableError, match="busy"):
        Child(launch(tmp_path, script)).start()


def test_waiting_lasts_as_long_as_the_child_lives_and_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("balans.supervision.child.PROGRESS_S", 0.02)
    told: list[str] = []

    def tell(message: str) -> None:
        told.append(message)
        (tmp_path / "ready").touch()

    child = Child(launch(tmp_path, "echo recovering; exec sleep 600", progress=tell))
    child.start()
    child.stop()
    assert told[0].startswith("the server is starting, 0 s")


def test_the_limit_of_a_start_ends_it(tmp_path: Path) -> None:
    child = Child(launch(tmp_path, "exec sleep 600", start_limit_s=0.1))
    with pytest.raises(UnavailableError, match="not ready after 0 s"):
        child.start()
    assert child.pid is None


def test_stop_goes_on_to_stronger_signals(tmp_path: Path) -> None:
    deaf = "trap '' TERM; touch ready; while :; do sleep 0.01; done"
    child = Child(
        launch(tmp_path, deaf, stop_signals=((signal.SIGTERM, 0.1), (signal.SIGKILL, 5.0)))
    )
    child.start()
    child.stop()
    assert child.pid is None


def test_stop_interrupts_a_start(tmp_path: Path) -> None:
    child = Child(launch(tmp_path, "exec sleep 600"))
    failures: list[UnavailableError] = []

    def start() -> None:
        try:
            child.start()
        except UnavailableError as error:
            failures.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    until(lambda: child.pid is not None)
    child.stop()
    thread.join(LIMIT_S)
    assert failures
    assert child.pid is None


def test_a_mistake_in_the_readiness_question_does_not_hang(tmp_path: Path) -> None:
    def wrong() -> bool:
        raise ZeroDivisionError

    child = Child(launch(tmp_path, "exec sleep 600", is_ready=wrong))
    with pytest.raises(UnavailableError, match="its keeper stumbled: ZeroDivisionError"):
        child.start()
    assert child.pid is None


def test_a_keeper_that_stumbles_keeps_its_child_all_the_same(tmp_path: Path) -> None:
    ready, wrong = tmp_path / "ready", threading.Event()

    def is_ready() -> bool:
        if wrong.is_set():
            wrong.clear()
            raise OSError("no file descriptor is left")
        return ready.exists()

    child = Child(launch(tmp_path, SERVE, is_ready=is_ready))
    child.start()
    told: list[str] = []
    child.watch(told.append)
    wrong.set()
    os.kill(child.pid or 0, signal.SIGKILL)
    until(lambda: child.restarts == 2 and child.pid is not None)
    assert told == [
        "the server died: starting it again",
        "the server: its keeper stumbled: OSError('no file descriptor is left'): starting it again",
    ]
    child.stop()


def test_a_child_that_keeps_failing_is_told_on_one_line_and_tried_every_two_seconds(
    tmp_path: Path,
) -> None:
    first = tmp_path / "first"
    first.touch()
    script = f"""
        if [ -e first ]; then rm first; {SERVE}; fi
        rm -f ready; echo one; echo two; echo '  and three'; exit 3
    """
    child = Child(launch(tmp_path, script, is_ready=(tmp_path / "ready").exists))
    child.start()
    (tmp_path / "ready").unlink()
    told: list[str] = []
    child.watch(told.append)
    os.kill(child.pid or 0, signal.SIGKILL)
    until(lambda: len(told) >= 3)
    child.stop()
    assert told[1] == (
        f"the server: ended while starting (code 3), see {tmp_path / 'log'}: and three: "
        "starting it again"
    )
    assert max(BACKOFF_S) == 2.0


def test_a_long_log_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"x" * (LOG_LIMIT_BYTES + 1))
    child = Child(launch(tmp_path, "echo anew; " + SERVE))
    child.start()
    child.stop()
    assert (tmp_path / "log").read_text() == "anew\n"
    assert (tmp_path / "log.old").stat().st_size > LOG_LIMIT_BYTES


@pytest.mark.parametrize("substitute", [False, True], ids=["kernel", "watchdog"])
def test_it_ends_with_its_owner(tmp_path: Path, substitute: bool) -> None:  # noqa: FBT001
    code = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from balans.supervision import child as module
module.LINUX = module.LINUX and not {substitute}
from test_supervision import SERVE, launch
child = module.Child(launch(Path({str(tmp_path)!r}), SERVE))
child.start()
print(child.pid, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as owner:
        assert owner.stdout
        pid = int(owner.stdout.readline())
        owner.kill()
    until(lambda: not lives(pid))


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_owner_of_a_lock_is_one_and_dies_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_owned(path)
    code = (
        "import sys, time; from pathlib import Path; from balans.supervision.lock import OwnerLock;"
        f"OwnerLock(Path({str(path)!r})).acquire(); print('mine', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as owner:
        assert owner.stdout
        assert owner.stdout.readline() == b"mine\n"
        assert is_owned(path)
        with pytest.raises(OwnedElsewhereError, match="another process owns"):
            OwnerLock(path).acquire(wait_s=0.05)
        owner.kill()
    lock = OwnerLock(path)
    lock.acquire()
    lock.acquire()
    assert is_owned(path)
    lock.release()
    assert not is_owned(path)


def test_a_failing_helper_is_quoted() -> None:
    with pytest.raises(UnavailableError, match=r"sh failed \(code 4\): because"):
        run_as(None, ["/bin/sh", "-c", "echo because; exit 4"])
    with pytest.raises(UnavailableError, match="/no/such: No such file"):
        run_as(None, ["/no/such"])
    assert run_as(None, ["/bin/echo", "words"]) == "words\n"


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Pretend to be root on a system with the users given (name: number)."""
    users = {"root": 0}

    def entry(name: str) -> pwd.struct_passwd:
        return pwd.struct_passwd((name, "x", users[name], users[name], "", "/", "/bin/sh"))

    def by_number(uid: int) -> pwd.struct_passwd:
        return entry({number: name for name, number in users.items()}[uid])

    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("pwd.getpwnam", entry)
    monkeypatch.setattr("pwd.getpwuid", by_number)
    monkeypatch.setattr("shutil.which", lambda _name, **_path: None)
    return users


def test_a_normal_user_serves_as_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert service_account("whoever") is None


def test_the_configured_user_wins(as_root: dict[str, int]) -> None:
    as_root |= {"postgres": 5, "chosen": 7}
    assert service_account() == Account("postgres", 5, 5)
    assert service_account("chosen") == Account("chosen", 7, 7)
    as_root["balans"] = 9
    assert service_account() == Account("balans", 9, 9)


@pytest.mark.parametrize("name", ["root", "nosuch"])
def test_a_useless_user_is_refused(as_root: dict[str, int], name: str) -> None:
    assert as_root
    with pytest.raises(InputError, match=f"BALANS_SERVICE_USER: {name}: no such user, or it is"):
        service_account(name)


def test_existing_data_are_served_by_their_owner(as_root: dict[str, int], tmp_path: Path) -> None:
    as_root |= {"postgres": 500, "alice": 501}
    assert service_account(owner_of=tmp_path / "nothing") == Account("postgres", 500, 500)
    as_root["alice"] = tmp_path.stat().st_uid or 501
    found = service_account("postgres", owner_of=tmp_path)
    expected = "postgres" if tmp_path.stat().st_uid == 0 else "alice"
    assert found
    assert found.name == expected


def test_a_bare_system_is_told_what_to_do(as_root: dict[str, int]) -> None:
    assert as_root
    with pytest.raises(UnavailableError, match="BALANS_SERVICE_USER"):
        service_account()
    with pytest.raises(UnavailableError, match="no `useradd`"):
        service_account(create=True)


def test_a_user_is_made_only_when_asked(
    as_root: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "useradd"
    tool.write_text(f"#!/bin/sh\necho $* > {tmp_path}/asked\n")
    tool.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda _name, **_path: str(tool))
    with pytest.raises(UnavailableError, match="useradd balans"):
        service_account(create=True)
    assert (tmp_path / "asked").read_text().endswith("balans\n")
    as_root["balans"] = 42
    assert service_account(create=True) == Account("balans", 42, 42)


def test_the_first_closed_folder_is_found(server_dir: Path) -> None:
    stranger = Account("stranger", 54321, 54321)
    closed = server_dir / "open" / "closed"
    (closed / "inner").mkdir(parents=True)
    closed.chmod(0o700)
    assert first_closed_folder(closed / "x", stranger) == closed
    assert first_closed_folder(closed / "inner" / "x", stranger) == closed
    assert first_closed_folder(closed, stranger) is None
    owner = closed.stat()
    assert first_closed_folder(closed / "inner" / "x", None) is None
    assert first_closed_folder(closed / "x", Account("me", owner.st_uid, 54321)) is None
    closed.chmod(0o710)
    assert first_closed_folder(closed / "x", Account("ours", 54321, owner.st_gid)) is None
    assert first_closed_folder(closed / "x", stranger) == closed
