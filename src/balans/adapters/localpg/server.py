"""The embedded PostgreSQL as the product sees it: start, address, watch, stop."""

import contextlib
import json
import os
import secrets
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from balans.adapters.localpg import place as places
from balans.adapters.localpg.binaries import Binaries, find_binaries, reachable
from balans.adapters.localpg.cluster import (
    ADMIN_ROLE,
    APP_ROLE,
    DATABASE,
    ENVIRONMENT,
    Passwords,
    check_version,
    create_cluster,
    set_passwords,
    write_settings,
)
from balans.adapters.localpg.remains import stop_orphan
from balans.adapters.localpg.tuning import (
    fixed_settings,
    memory_bytes,
    recovery_settings,
    sized_settings,
)
from balans.core.errors import UnavailableError
from balans.supervision.account import Account, service_account
from balans.supervision.child import Child, Launch
from balans.supervision.lock import OwnerLock, is_owned

PASSING_TROUBLE = ("pre-existing shared memory block", 'lock file "postmaster.pid" already exists')
ANSWER_LIMIT_S = 5


@dataclass(frozen=True, slots=True)
class Status:
    """What can be told about an embedded server."""

    running: bool
    pid: int | None
    version: str | None
    cluster: str | None
    log: str
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Options:
    """Choices that most callers leave alone.

    ``settings`` are PostgreSQL settings that override ours. ``state_dir`` replaces
    /var/lib/balans, which root uses when the server's user may not pass the data directory.
    """

    service_user: str | None = None
    create_user: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    state_dir: Path | None = None
    start_limit_s: float = 300.0
    progress: Callable[[str], None] = field(default=lambda _message: None)


class LocalPostgres:
    """An embedded PostgreSQL with one owner: this object, in this process.

    `start` brings it up (making the data directory the first time), `watch` has it started
    again whenever it dies, `stop` ends it. It also ends when the process dies in any way.
    Other processes find it with `find_running`; they wait and reconnect after a loss.

    Use it as a context manager to start and stop it.
    """

    def __init__(self, data_dir: Path, options: Options | None = None, **choices: Any) -> None:
        self.data_dir = data_dir
        self.options = options or Options(**choices)
        self._child: Child | None = None
        self._lock: OwnerLock | None = None
        self._binaries: Binaries | None = None
        self._place: places.Place | None = None
        self._passwords = Passwords("", "")
        self._socket_dir = Path()

    @property
    def url(self) -> str:
        """Address for the product: role ``balans``, neither superuser nor exempt from row rules."""
        return _url(APP_ROLE, self._passwords.app, DATABASE, self._socket_dir)

    @property
    def admin_url(self) -> str:
        """Address for the administrator, to the database ``postgres``."""
        return _url(ADMIN_ROLE, self._passwords.admin, "postgres", self._socket_dir)

    @property
    def binaries(self) -> Binaries:
        """The programs in use, for instance ``pg_dump``."""
        if self._binaries is None:
            self._binaries = find_binaries()
        return self._binaries

    def start(self) -> None:
        """Start the server and return when it answers a query. Nothing happens when it runs.

        A crash recovery is waited for as long as the server lives, at most
        ``options.start_limit_s``; ``options.progress`` is told what it is doing.

        Raises
        ------
        InputError
            The configured service user does not exist.
        UnavailableError
            Another process owns the folder, a folder is closed to the server's user, the data
            are of another release, or the server did not come up; the message tells which.
        """
        if self._child is not None:
            self._child.start()
            return
        home = places.prepare_home(self.data_dir)
        lock = OwnerLock(home / "owner.lock")
        lock.acquire()
        try:
            self._child = self._prepare(home)
            self._child.start()
        except BaseException:
            self._child = None
            lock.release()
            raise
        self._lock = lock

    def watch(self, on_restart: Callable[[str], None] | None = None) -> None:
        """From now on start the server again whenever it dies, at the same address.

        A background thread does it; `on_restart` is called there with a line for the log.
        """
        if self._child is None:
            raise UnavailableError("the embedded database is not started")
        self._child.watch(on_restart)

    def stop(self) -> None:
        """Stop the server: connections are cut, transactions under way are rolled back."""
        if self._child is not None:
            self._child.stop()
            self._child = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def alive(self) -> bool:
        """Tell whether the server answers a query."""
        return self._child is not None and _answers(self.url)

    def status(self) -> Status:
        """Tell what is known about the server."""
        child, place = self._child, self._place
        return Status(
            running=self.alive(),
            pid=child.pid if child else None,
            version=self._binaries.version if self._binaries else None,
            cluster=str(place.cluster) if place else None,
            log=str(places.home_of(self.data_dir) / "server.log"),
            restarts=child.restarts if child else 0,
        )

    def remove(self) -> None:
        """Stop the server and delete its data.

        Raises
        ------
        UnavailableError
            Another process owns it.
        """
        self.stop()
        home = places.home_of(self.data_dir)
        if not home.exists():
            return
        lock = OwnerLock(home / "owner.lock")
        lock.acquire()
        try:
            state_dir = self.options.state_dir or places.SYSTEM_STATE_DIR
            place = places.existing_place(home, _recorded_base(home), state_dir)
            if place is not None:
                stop_orphan(place.cluster, self.options.progress)
            places.remove(place or places.Place(home, home))
        finally:
            lock.release()

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

    def _prepare(self, home: Path) -> Child:
        """Do all that comes before the server itself is started."""
        options = self.options
        state_dir = options.state_dir or places.SYSTEM_STATE_DIR
        existing = places.existing_place(home, _recorded_base(home), state_dir)
        account = service_account(
            options.service_user,
            owner_of=existing.cluster if existing else None,
            create=options.create_user,
        )
        place = self._place = existing or places.new_place(home, account, state_dir)
        places.make_open(place.base)
        places.check_open(place, account)
        binaries = self._binaries = reachable(self.binaries, account, state_dir)
        self._passwords = _read_passwords(place.connection) or Passwords.generate()
        self._socket_dir = places.socket_dir_for(place, account)
        if existing is None:
            options.progress("creating the database")
            create_cluster(place, binaries, account, self._passwords)
        else:
            check_version(place.cluster, binaries)
            stop_orphan(place.cluster, options.progress)
            if not place.connection.exists():
                set_passwords(place.cluster, binaries, account, self._passwords)
        self._write_connection(place)
        settings = sized_settings(memory_bytes()) | fixed_settings(self._socket_dir)
        settings |= recovery_settings(binaries.major)
        write_settings(place.cluster, account, settings | dict(options.settings))
        return Child(self._launch(place, binaries, account))

    def _launch(self, place: places.Place, binaries: Binaries, account: Account | None) -> Launch:
        url = self.url
        return Launch(
            name="the embedded database",
            args=[binaries.program("postgres"), "-D", str(place.cluster)],
            cwd=place.cluster,
            log=place.log,
            env=ENVIRONMENT,
            account=account,
            death_signal=signal.SIGINT,
            stop_signals=((signal.SIGINT, 60.0), (signal.SIGQUIT, 30.0)),
            is_ready=lambda: _answers(url),
            start_limit_s=self.options.start_limit_s,
            exit_is_passing=lambda log: any(words in log for words in PASSING_TROUBLE),
            progress=self.options.progress,
        )

    def _write_connection(self, place: places.Place) -> None:
        content = {
            "url": self.url,
            "admin_url": self.admin_url,
            "base": None if place.base == place.home else str(place.base),
            "bin": str(self.binaries.folder),
            "passwords": {"admin": self._passwords.admin, "app": self._passwords.app},
        }
        draft = place.connection.with_suffix(f".{secrets.token_hex(4)}")
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            json.dump(content, file)
        draft.replace(place.connection)


def find_running(data_dir: Path) -> str | None:
    """Return the address of the embedded server that another process runs for `data_dir`.

    It may still be starting, or just be started again: clients wait and reconnect.
    """
    home = places.home_of(data_dir)
    if not is_owned(home / "owner.lock"):
        return None
    found = _read_connection(home / "connection.json").get("url")
    return found if isinstance(found, str) else None


def exists(data_dir: Path, state_dir: Path = places.SYSTEM_STATE_DIR) -> bool:
    """Tell whether an embedded server was ever made for `data_dir`."""
    home = places.home_of(data_dir)
    return places.existing_place(home, _recorded_base(home), state_dir) is not None


def _answers(url: str) -> bool:
    import psycopg

    with (
        contextlib.suppress(psycopg.Error),
        psycopg.connect(url, connect_timeout=ANSWER_LIMIT_S) as connection,
    ):
        return connection.execute("SELECT 1").fetchone() == (1,)
    return False


def _url(role: str, password: str, database: str, socket_dir: Path) -> str:
    return f"postgresql://{role}:{password}@/{database}?host={quote(str(socket_dir), safe='')}"


def _recorded_base(home: Path) -> Path | None:
    """Return where an earlier start put the data, when that was not below `home`."""
    base = _read_connection(home / "connection.json").get("base")
    return Path(base) if isinstance(base, str) else None


def _read_passwords(path: Path) -> Passwords | None:
    found = _read_connection(path).get("passwords")
    if isinstance(found, dict) and {"admin", "app"} <= found.keys():
        return Passwords(str(found["admin"]), str(found["app"]))
    return None


def _read_connection(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
