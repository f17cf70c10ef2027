"""A server that runs as a child process.

Theory of operation
-------------------
One thread, the keeper, starts the child and waits for its end. It lives as long as the child is
wanted, because Linux sends the parent-death signal when the *thread* that forked ends. The
keeper reaps the child at once, so a dead server is never taken for a running one.

    idle --start()--> starting --ready--> up --dies--> down --watch()--> starting ...
                          |                                |
                          +--exits, or the limit passes--> failed (start() raises)

The child gets its own process group: Ctrl-C in a terminal reaches the product, which closes
its connections first and then stops the child. When the product dies without that, the kernel
(Linux) or a small watchdog on a pipe (elsewhere) signals the child.
"""

import contextlib
import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from balans.core.errors import UnavailableError
from balans.supervision.account import Account

log = logging.getLogger(__name__)

LINUX: bool = sys.platform.startswith("linux")
PR_SET_PDEATHSIG = 1
POLL_S = 0.02
PROGRESS_S = 1.0
BACKOFF_S = (0.0, 0.1, 0.5, 1.0, 2.0)
"""Clients try as often as the last of these: a server that may come up is not kept from it."""
STEADY_S = 30.0
LOG_LIMIT_BYTES = 10_000_000
TAIL_BYTES = 4000


@dataclass(frozen=True, slots=True)
class Launch:
    """How a child is started and stopped.

    ``stop_signals`` are sent one after the other, each with the time [s] it is given.
    ``exit_is_passing`` looks at what a child wrote that ended while starting, and tells whether
    another try within ``retry_s`` [s] may help.
    """

    name: str
    args: Sequence[str]
    cwd: Path
    log: Path
    death_signal: int
    stop_signals: Sequence[tuple[int, float]]
    is_ready: Callable[[], bool]
    env: Mapping[str, str] = field(default_factory=dict)
    account: Account | None = None
    start_limit_s: float = 300.0
    retry_s: float = 30.0
    exit_is_passing: Callable[[str], bool] = field(default=lambda _log: False)
    progress: Callable[[str], None] = field(default=lambda _message: None)


class Child:
    """Keeps one server running; see the theory of operation above."""

    def __init__(self, launch: Launch) -> None:
        self.launch = launch
        self.restarts = 0
        self._state = threading.Condition()
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper: threading.Thread | None = None
        self._settled = threading.Event()
        self._failure: str | None = None
        self._stopping = False
        self._watched = False
        self._on_restart: Callable[[str], None] = lambda _message: None

    @property
    def pid(self) -> int | None:
        """The process number while the child runs."""
        process = self._process
        return process.pid if process and process.returncode is None else None

    def start(self) -> None:
        """Start the child and return when it is ready. Nothing happens when it runs.

        Raises
        ------
        UnavailableError
            The child ended before it was ready, or was not ready within the limit.
        """
        if self._keeper and self._keeper.is_alive():
            if self.pid is not None:
                return
            self.stop()
        self._stopping, self._failure = False, None
        self._settled.clear()
        self._keeper = threading.Thread(
            target=self._keep, name=f"keeper of {self.launch.name}", daemon=True
        )
        self._keeper.start()
        self._settled.wait()
        if self._failure:
            raise UnavailableError(f"{self.launch.name}: {self._failure}")

    def watch(self, on_restart: Callable[[str], None] | None = None) -> None:
        """From now on start the child again whenever it dies.

        The keeper's thread does it; `on_restart` is called there with a line for the log.
        """
        with self._state:
            self._watched = True
            self._on_restart = on_restart or self._on_restart
            self._state.notify_all()

    def stop(self) -> None:
        """Stop the child, politely first. Nothing happens when it does not run.

        Raises
        ------
        UnavailableError
            It did not end after the last signal.
        """
        with self._state:
            self._stopping = True
            self._state.notify_all()
        keeper = self._keeper
        if keeper is None:
            return
        for number, limit_s in self.launch.stop_signals:
            if self._process is not None:
                self._process.send_signal(number)
            keeper.join(limit_s)
            if not keeper.is_alive():
                self._keeper = None
                return
        raise UnavailableError(f"{self.launch.name}: does not stop (process {self.pid})")

    def _keep(self) -> None:
        try:
            self._run_until_unwanted()
        finally:
            self._settled.set()

    def _run_until_unwanted(self) -> None:
        failures, retry_until = 0, time.monotonic() + self.launch.retry_s
        while True:
            began = time.monotonic()
            failure = self._run_once()
            first = not self._settled.is_set()
            if first and not (began < retry_until and self._may_pass(failure)):
                self._failure = failure
                return
            failures = 0 if time.monotonic() - began > STEADY_S else failures + 1
            pause_s = BACKOFF_S[max(0, min(failures, len(BACKOFF_S)) - 1)]
            if self._rest(pause_s, wait_for_watch=not first):
                self._failure = "stopped"
                return
            if not first:
                self.restarts += 1
                what = f": {_on_one_line(failure)}" if failure else " died"
                self._tell_restart(f"{self.launch.name}{what}: starting it again")

    def _tell_restart(self, message: str) -> None:
        """Tell of a restart; the keeper goes on whatever the listener makes of it."""
        try:
            self._on_restart(message)
        except Exception:
            log.exception("%s", message)

    def _may_pass(self, failure: str | None) -> bool:
        return bool(failure) and not self._stopping and self.launch.exit_is_passing(failure or "")

    def _rest(self, pause_s: float, *, wait_for_watch: bool) -> bool:
        """Wait before the next start; tell whether the child is no longer wanted."""
        with self._state:
            if wait_for_watch:
                self._state.wait_for(lambda: self._stopping or self._watched)
            self._state.wait_for(lambda: self._stopping, timeout=pause_s)
            return self._stopping

    def _run_once(self) -> str | None:
        """Start the child and wait for its end; return why it never became ready, if so.

        The keeper outlives whatever goes wrong in here: nobody else would start the child again.
        """
        try:
            return self._start_and_wait()
        except Exception as error:
            log.exception("%s: its keeper stumbled", self.launch.name)
            if self._process is not None:
                self._give_up(self._process)
            return f"its keeper stumbled: {error!r}"

    def _start_and_wait(self) -> str | None:
        with self._state:
            if self._stopping:
                return "stopped"
            log_start = _prepare_log(self.launch.log)
            try:
                process = self._process = _spawn(self.launch)
            except OSError as error:
                return f"{self.launch.args[0]}: {error.strerror}"
        watchdog = _watchdog(process.pid, self.launch)
        failure = self._await_ready(process, log_start)
        if failure is None:
            self._settled.set()
        process.wait()
        if watchdog:
            watchdog.kill()
            watchdog.communicate()
        if failure is None or self._stopping:
            return failure
        return f"{failure}\n{_tail(self.launch.log, log_start)}".rstrip()

    def _await_ready(self, process: subprocess.Popen[bytes], log_start: int) -> str | None:
        began = told = time.monotonic()
        while process.poll() is None:
            if self.launch.is_ready():
                return None
            now = time.monotonic()
            if now - began > self.launch.start_limit_s:
                self._give_up(process)
                return f"not ready after {self.launch.start_limit_s:.0f} s, see {self.launch.log}"
            if now - told > PROGRESS_S:
                told = now
                self._tell(now - began, log_start)
            time.sleep(POLL_S)
        return f"ended while starting (code {process.returncode}), see {self.launch.log}"

    def _tell(self, elapsed_s: float, log_start: int) -> None:
        lines = _tail(self.launch.log, log_start).splitlines()
        doing = f": {lines[-1]}" if lines else ""
        self.launch.progress(f"{self.launch.name} is starting, {elapsed_s:.0f} s{doing}")

    def _give_up(self, process: subprocess.Popen[bytes]) -> None:
        for number, limit_s in self.launch.stop_signals:
            process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(limit_s)
                return


def run_as(account: Account | None, args: Sequence[str], **options: Any) -> str:
    """Run a helper program to its end, as `account`, and return what it printed.

    Raises
    ------
    UnavailableError
        With the program's own words when it fails or does not exist.
    """
    name = Path(args[0]).name
    try:
        done = subprocess.run(  # noqa: S603  (programs of the database, no shell)
            args,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            process_group=0,
            preexec_fn=_death_signal(signal.SIGKILL),
            **(account.popen_options() if account else {}),
            **options,
        )
    except OSError as error:
        raise UnavailableError(f"{args[0]}: {error.strerror}") from error
    if done.returncode:
        raise UnavailableError(f"{name} failed (code {done.returncode}): {done.stdout.strip()}")
    return str(done.stdout)


def _spawn(launch: Launch) -> subprocess.Popen[bytes]:
    log = os.open(launch.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        return subprocess.Popen(  # noqa: S603  (no shell)
            launch.args,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=launch.cwd,
            env=dict(launch.env),
            process_group=0,
            preexec_fn=_death_signal(launch.death_signal),  # noqa: PLW1509  (three system calls)
            **(launch.account.popen_options() if launch.account else {}),
        )
    finally:
        os.close(log)


def end_with_parent(number: int, parent: int) -> None:
    """Ask Linux to send this process `number` when `parent` dies; end now if it is dead.

    A change of user clears the request, so a program that drops its rights asks again.
    """
    if LINUX:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _death_signal(number: int) -> Callable[[], None]:
    """Return what the forked child does first, after its change of user."""
    return partial(end_with_parent, number, os.getpid())


def _watchdog(pid: int, launch: Launch) -> subprocess.Popen[bytes] | None:
    """Start the substitute for the parent-death signal where the system has none."""
    if LINUX:
        return None
    script = f"read _; kill -{int(launch.death_signal)} {pid}"
    return subprocess.Popen(  # noqa: S603  (numbers only)
        ["/bin/sh", "-c", script],
        stdin=subprocess.PIPE,
        process_group=0,
        **(launch.account.popen_options() if launch.account else {}),
    )


def _prepare_log(log: Path) -> int:
    """Set a long log aside and return where the next child's part begins."""
    try:
        size = log.stat().st_size
    except FileNotFoundError:
        return 0
    if size > LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".old"))
        return 0
    return size


def _on_one_line(failure: str) -> str:
    """Return a failure without all of the child's last words but the very last."""
    first, *others = failure.splitlines()
    return f"{first}: {others[-1].strip()}" if others else first


def _tail(log: Path, start: int) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(start, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            return file.read().decode(errors="replace").strip()
    except OSError:
        return ""
