"""What both brokers have in common: an owner, a kept port, a child process."""

import contextlib
import json
import os
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from balans.core.errors import UnavailableError
from balans.supervision.child import Child, Launch
from balans.supervision.lock import OwnerLock

HOST = "127.0.0.1"
CONNECT_LIMIT_S = 1.0


@dataclass(frozen=True, slots=True)
class Status:
    """What can be told about a broker."""

    running: bool
    pid: int | None
    port: int | None
    log: str
    restarts: int = 0


class OwnedBroker:
    """A broker on 127.0.0.1 with one owner: this object, in this process.

    `start` brings it up on the port of the last time (or the one asked for), `watch` has it
    started again on the same port whenever it dies, `stop` ends it. It also ends when the
    process dies in any way. Use it as a context manager to start and stop it.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder.absolute()
        self.port = port
        self._child: Child | None = None
        self._lock: OwnerLock | None = None

    @property
    def url(self) -> str:
        """Address for clients, ``mqtt://…``."""
        return f"mqtt://{HOST}:{self.port}"

    def start(self) -> None:
        """Start the broker and return when it accepts connections; nothing when it runs.

        Raises
        ------
        UnavailableError
            Another process owns the folder, the port is taken, or the broker did not come up.
        """
        if self._child is not None:
            self._child.start()
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = OwnerLock(self.folder / "owner.lock")
            lock.acquire()
        except OSError as error:
            raise UnavailableError(f"{error.filename}: {error.strerror}") from error
        try:
            self.port = choose_port(self.port, self._saved().get("port"))
            self._child = Child(self._prepare())
            self._child.start()
            write_private(self.folder / "connection.json", json.dumps(self._to_save()))
        except BaseException:
            self._abandon()
            lock.release()
            raise
        self._lock = lock

    def watch(self, on_restart: Callable[[str], None] | None = None) -> None:
        """From now on start the broker again whenever it dies, on the same port.

        A background thread does it; `on_restart` is called there with a line for the log.
        """
        if self._child is None:
            raise UnavailableError("the broker is not started")
        self._child.watch(on_restart)

    def stop(self) -> None:
        """Stop the broker; nothing happens when it does not run."""
        if self._child is not None:
            self._child.stop()
            self._child = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def alive(self) -> bool:
        """Tell whether the broker accepts connections."""
        return self._child is not None and accepts(self.port)

    def status(self) -> Status:
        """Tell what is known about the broker."""
        child = self._child
        return Status(
            running=self.alive(),
            pid=child.pid if child else None,
            port=self.port or None,
            log=str(self.folder / "server.log"),
            restarts=child.restarts if child else 0,
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _prepare(self) -> Launch:
        """Write the configuration and say how to start the broker on ``self.port``."""
        raise NotImplementedError

    def _to_save(self) -> dict[str, Any]:
        return {"port": self.port, "url": self.url}

    def _saved(self) -> dict[str, Any]:
        return read_saved(self.folder)

    def _abandon(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            with contextlib.suppress(UnavailableError):
                child.stop()


def read_saved(folder: Path) -> dict[str, Any]:
    """Return what the last owner wrote for others, or nothing."""
    try:
        found = json.loads((folder / "connection.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_private(path: Path, text: str) -> None:
    """Replace the file at `path` in one step; only its owner can read it."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def accepts(port: int) -> bool:
    """Tell whether something accepts connections on `port` of this machine."""
    try:
        with socket.create_connection((HOST, port), timeout=CONNECT_LIMIT_S):
            return True
    except OSError:
        return False


def choose_port(wanted: int, saved: object) -> int:
    """Return the port to listen on: the one asked for, else that of last time, else a free one.

    Raises
    ------
    UnavailableError
        The port that was asked for is taken.
    """
    if wanted:
        if not _is_free(wanted):
            raise UnavailableError(f"port {wanted} of {HOST} is taken by another program")
        return wanted
    if isinstance(saved, int) and 0 < saved < 65536 and _is_free(saved):
        return saved
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
