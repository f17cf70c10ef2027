"""What can befall a running town, and a hand that does it at random.

==========  ======================================================================================
strike      what happens
==========  ======================================================================================
kill …      SIGKILL of a gateway, a hub, the head-end, the broker, the database
clock       the clock of one process is an hour ahead or behind for a while
disk        the disk of a hub is full for a while: no file can grow
twin        another box with the identity of a hub takes part for a while, then it is gone for good
noise       random bytes on every topic, and hubs that nobody has registered
==========  ======================================================================================

A full disk is played by the limit of file sizes (RLIMIT_FSIZE), which can be set for a process
that runs, and without being root: every write that would lengthen a file is refused.
"""

import contextlib
import os
import random
import resource
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

HOUR_S = 3600.0
REST_S = 4.0
PAUSE_S = (0.3, 1.3)
LAST_S = (0.8, 2.5)
"""How long a clock is wrong, a disk full, a twin there [s of the wall clock]."""
UP_S = 5.0
"""What was killed last is up again after so long."""


@dataclass(frozen=True, slots=True)
class Targets:
    """How to reach what can be struck.

    Each entry of `pids` tells the number of a process now, None while it is down. `step_clock`
    sets the clock of a process off by so many seconds, 0 sets it right. `twin` runs a second box
    with the identity of the hub named, until the context is left. `noise` publishes noise and tells
    how many messages the broker took.
    """

    pids: dict[str, Callable[[], int | None]]
    hubs: tuple[str, ...]
    clocks: tuple[str, ...]
    step_clock: Callable[[str, float], None]
    twin: Callable[[str], contextlib.AbstractContextManager[None]]
    noise: Callable[[random.Random], int]


@dataclass(slots=True)
class Strikes:
    """Strikes in a thread of its own while it is entered; counts in `done`.

    Every kind comes once a round, in a new order each round. After every second round there is a
    longer rest, so that the town also runs for a while with everything up.
    """

    targets: Targets
    chance: random.Random
    done: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _stopping: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Begin to strike."""
        self._thread = threading.Thread(target=self._run, name="strikes", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Strike no more; what was put out of order is put right.

        At last there is noise once more, with everything up: it must have been heard.
        """
        self._stop.set()
        with self._stopping:  # who comes second waits for the noise of the first
            if self._thread:
                self._thread.join()
                self._thread = None
                time.sleep(UP_S)
                self._noise()

    def _run(self) -> None:
        for kind in self._kinds():
            if self._stop.is_set():
                return
            self._strike(kind)
            self._stop.wait(self.chance.uniform(*PAUSE_S))

    def _kinds(self) -> Iterator[str]:
        kinds = [f"kill {name}" for name in self.targets.pids] + ["clock", "disk", "twin", "noise"]
        while True:
            yield from self.chance.sample(kinds, len(kinds))
            self.rounds += 1
            if self.rounds % 2 == 0:
                self._stop.wait(REST_S)

    def _strike(self, kind: str) -> None:
        if kind.startswith("kill "):
            self._kill(kind.removeprefix("kill "))
        else:
            {
                "clock": self._clock,
                "disk": self._disk,
                "twin": self._twin,
                "noise": self._noise,
            }[kind]()

    def _kill(self, name: str) -> None:
        pid = self.targets.pids[name]()
        if pid is not None and _send(pid, signal.SIGKILL):
            self.done[f"kill {name}"] += 1

    def _clock(self) -> None:
        name = self.chance.choice(self.targets.clocks)
        self.targets.step_clock(name, self.chance.choice((-HOUR_S, HOUR_S)))
        self._last()
        self.targets.step_clock(name, 0.0)
        self.done["clock"] += 1

    def _disk(self) -> None:
        pid = self.targets.pids[self.chance.choice(self.targets.hubs)]()
        if pid is None:
            return
        with _full_disk(pid) as is_full:
            if is_full:
                self._last()
                self.done["disk"] += 1

    def _twin(self) -> None:
        with self.targets.twin(self.chance.choice(self.targets.hubs)):
            self._last()
            self._last()
        self.done["twin"] += 1

    def _noise(self) -> None:
        if self.targets.noise(self.chance):
            self.done["noise"] += 1

    def _last(self) -> None:
        self._stop.wait(self.chance.uniform(*LAST_S))


def _send(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


@contextlib.contextmanager
def _full_disk(pid: int) -> Iterator[bool]:
    """Let no file of a process grow while the context lasts; tell whether that worked."""
    try:
        _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, most))
    except ProcessLookupError:
        yield False
        return
    try:
        yield True
    finally:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))


def wait_for(is_so: Callable[[], bool], limit_s: float) -> bool:
    """Wait until something is so; tell whether it came about in time."""
    deadline = time.monotonic() + limit_s
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True
