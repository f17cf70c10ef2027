"""Child processes of the product: started, restarted when they die, stopped cleanly."""

import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from balans.core.errors import UnavailableError

log = logging.getLogger(__name__)
PR_SET_PDEATHSIG = 1
BACKOFF_S = (0.2, 0.5, 1.0, 2.0)
STEADY_S = 10.0
"""A child that ran this long has recovered: the next restart is quick again."""


def balans_command(*args: str) -> list[str]:
    """Return the command line that runs ``balans`` with this interpreter."""
    return [sys.executable, "-m", "balans", *args]


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass(slots=True)
class Child:
    """One child: what to run, where its output goes, and the process that runs now."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    log_path: Path
    process: subprocess.Popen[bytes]
    started: float
    restarts: int = 0
    due: float | None = None

    @property
    def pid(self) -> int:
        """Process id of the present incarnation."""
        return self.process.pid


@dataclass(slots=True)
class Children:
    """Keeps a set of children alive until `stop`.

    A watcher thread restarts whatever dies, with a growing pause. Output goes to one log file
    a child. The children get SIGTERM when their parent dies, so nothing is left behind.
    """

    _children: dict[str, Child] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _watcher: threading.Thread | None = None

    def start(
        self, name: str, argv: Sequence[str], log_path: Path, env: Mapping[str, str] | None = None
    ) -> Child:
        """Start `argv` as child `name`; `env` is added to the present environment.

        Raises
        ------
        UnavailableError
            When the program cannot be started at all.
        """
        full = {**os.environ, **(env or {})}
        child = Child(name, argv, full, log_path, _spawn(name, argv, full, log_path), _now())
        with self._lock:
            self._children[name] = child
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._watch, name="children", daemon=True)
            self._watcher.start()
        return child

    def __getitem__(self, name: str) -> Child:
        with self._lock:
            return self._children[name]

    def stop(self, timeout_s: float = 10.0) -> None:
        """Send SIGTERM to all, wait up to `timeout_s`, then SIGKILL what is left."""
        self._stopping.set()
        if self._watcher:
            self._watcher.join()
        children = list(self._children.values())
        for child in children:
            if child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
        deadline = _now() + timeout_s
        for child in children:
            try:
                child.process.wait(max(0.1, deadline - _now()))
            except subprocess.TimeoutExpired:
                log.warning("%s did not stop within %s s and is killed", child.name, timeout_s)
                child.process.kill()
                child.process.wait()

    def _watch(self) -> None:
        while not self._stopping.wait(0.1):
            with self._lock:
                for child in self._children.values():
                    self._tend(child)

    def _tend(self, child: Child) -> None:
        if child.process.poll() is None:
            return
        now = _now()
        if child.due is None:
            if now - child.started > STEADY_S:
                child.restarts = 0
            pause = BACKOFF_S[min(child.restarts, len(BACKOFF_S) - 1)]
            child.due = now + pause
            log.warning(
                "%s ended with code %s; it starts again in %.1f s (log: %s)",
                child.name, child.process.returncode, pause, child.log_path,
            )  # fmt: skip
        elif now >= child.due:
            child.process = _spawn(child.name, child.argv, child.env, child.log_path)
            child.started, child.due = now, None
            child.restarts += 1


def _now() -> float:
    return time.monotonic()


def _spawn(
    name: str, argv: Sequence[str], env: Mapping[str, str], log_path: Path
) -> subprocess.Popen[bytes]:
    log_path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with log_path.open("ab") as output:
            return subprocess.Popen(  # noqa: S603  (the product's own commands)
                list(argv),
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,
                preexec_fn=_end_with_parent,  # noqa: PLW1509  (only prctl, which is safe here)
            )
    except OSError as error:
        raise UnavailableError(f"{name}: cannot start {argv[0]}: {error.strerror}") from error
