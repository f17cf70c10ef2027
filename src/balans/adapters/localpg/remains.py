"""Deals with a server that an earlier owner left behind."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from balans.core.errors import UnavailableError

POLL_S = 0.05
FAST_S, IMMEDIATE_S, ZOMBIE_S = 60.0, 15.0, 30.0


def stop_orphan(cluster: Path, progress: Callable[[str], None]) -> bool:
    """Stop a living server on `cluster`; the caller holds the owner's lock.

    ``postmaster.pid`` is never deleted here: it also guards against backends that live on.

    Returns
    -------
    Whether there was one.

    Raises
    ------
    UnavailableError
        It does not end, or it is dead and its parent does not take note of that.
    """
    pid = _postmaster(cluster)
    if pid is None:
        return False
    if _state(pid) == "Z":
        progress("waiting until the system forgets the dead database server")
        if not _gone(pid, ZOMBIE_S):
            raise UnavailableError(
                f"process {pid}, a dead database server, is never reaped; "
                "containers need an init process that does (docker run --init)"
            )
        return False
    progress("stopping a database server that an earlier run left behind")
    for number, limit_s in ((signal.SIGINT, FAST_S), (signal.SIGQUIT, IMMEDIATE_S)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        if _gone(pid, limit_s):
            return True
    raise UnavailableError(f"process {pid}: an old database server on {cluster} does not stop")


def _postmaster(cluster: Path) -> int | None:
    """Return the process that serves `cluster`, if the number in its file is still that."""
    try:
        pid = int((cluster / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None
    if pid <= 1 or not _exists(pid):
        return None
    if _state(pid) == "Z":
        return pid
    return pid if _serves(pid, cluster) else None


def _serves(pid: int, cluster: Path) -> bool:
    """Tell whether `pid` is a server of `cluster`; numbers are used again by other programs."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cwd").resolve(strict=True).samefile(cluster)
    command = subprocess.run(  # noqa: S603  (a number)
        ["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    return "postgres" in command and str(cluster) in command


def _state(pid: int) -> str | None:
    """Return the state letter of a process where the system shows it; Z is a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return None


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _gone(pid: int, limit_s: float) -> bool:
    deadline = time.monotonic() + limit_s
    while _exists(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True
