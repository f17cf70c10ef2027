"""One owner per data directory, by a lock of the operating system."""

import fcntl
import os
import time
from pathlib import Path

from balans.core.errors import UnavailableError

PROBE_GAP_S = 0.02


class OwnedElsewhereError(UnavailableError):
    """Another process owns the folder and runs what is in it."""

    code = "owned_elsewhere"


class OwnerLock:
    """A lock on a file that the operating system takes away when its holder dies.

    A list of process numbers would outlive a SIGKILL; this does not. Programs started with
    `subprocess` do not inherit it, processes made by a bare fork would.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    def acquire(self, wait_s: float = 1.0) -> None:
        """Become the owner. A short wait covers others that only ask whether there is one.

        Raises
        ------
        OwnedElsewhereError
            Another process owns the folder.
        """
        if self._fd is not None:
            return
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + wait_s
        while not _try_lock(fd, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                os.close(fd)
                raise OwnedElsewhereError(f"{self.path}: another process owns this folder")
            time.sleep(PROBE_GAP_S)
        self._fd = fd

    def release(self) -> None:
        """Stop being the owner; nothing happens when one is not."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def is_owned(path: Path) -> bool:
    """Tell whether a living process holds the lock file at `path`."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _try_lock(fd, fcntl.LOCK_SH)
    finally:
        os.close(fd)


def _try_lock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
