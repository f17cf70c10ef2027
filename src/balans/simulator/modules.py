"""Metering modules: a ring of hourly registers each, reported until a hub has confirmed them.

A module never trusts the way to the hub: whatever is not confirmed with exactly the register it
reported is reported again, however late. The ring forgets only what is older than `RING_HOURS`.
What the ring holds can be had again, confirmed or not.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from balans.protocols.module import ModuleReport, ReportReceived
from balans.protocols.readings import RECORD, unpack
from balans.simulator.arrays import Flags, Int32s, Registers, Snapshot
from balans.simulator.spec import ModuleSpec

RING_HOURS = 61 * 24
READINGS_A_REPORT = 240
"""Bound of one report: 3,840 bytes."""


class Report(NamedTuple):
    """A report and the hub it is for."""

    hub: str
    message: ModuleReport


class ModuleBank:
    """All modules of a town, kept as arrays by channel and hour.

    Parameters
    ----------
    modules
        The modules; the order of all channels follows from it.
    resend_s
        After this long without confirmation a report is repeated.
    ring_hours
        How many hours a module holds.
    """

    def __init__(
        self,
        modules: Sequence[ModuleSpec],
        resend_s: float = 1.5,
        ring_hours: int = RING_HOURS,
    ) -> None:
        self.overwritten = 0
        self._ring = ring_hours
        self._modules = tuple(modules)
        self._resend_s = resend_s
        counts = [len(module.channels) for module in modules]
        self._module_of = np.repeat(np.arange(len(modules)), counts)
        first = np.concatenate(([0], np.cumsum(counts)))
        self._channels = [slice(start, end) for start, end in pairwise(first.tolist())]
        self._index = {module.serial: i for i, module in enumerate(modules)}
        self._inputs = np.array([c.input for m in modules for c in m.channels], dtype=np.int64)
        self._serials = np.array([m.serial for m in modules for _ in m.channels], dtype=np.int64)
        shape = (int(first[-1]), ring_hours)
        self._registers: Int32s = np.zeros(shape, dtype=np.int32)
        self._waiting: Flags = np.zeros(shape, dtype=np.bool_)
        self._hour: Int32s = np.full(ring_hours, -1, dtype=np.int32)
        self._pending = np.zeros(len(modules), dtype=np.int64)
        self._due_s = np.zeros(len(modules))
        self._silent_until = np.full(len(modules), -1, dtype=np.int64)

    @property
    def pending(self) -> int:
        """How many readings no hub has confirmed."""
        return int(self._pending.sum())

    @property
    def last_hour(self) -> int:
        """The newest recorded hour, -1 when there is none."""
        return int(self._hour.max())

    def record(self, hour: int, registers: Registers) -> None:
        """Keep the registers of all channels at the instant at which `hour` begins."""
        slot = hour % self._ring
        self.overwritten += int(self._waiting[:, slot].sum())
        self._hour[slot] = hour
        self._registers[:, slot] = registers
        self._waiting[:, slot] = True
        self._count()

    def silence(self, module: int, until_hour: int) -> None:
        """Let the module at this index report nothing before `until_hour` is recorded."""
        self._silent_until[module] = until_hour

    def end_silence(self) -> None:
        """Let every module report again."""
        self._silent_until[:] = -1

    def due(self, now_s: float) -> list[Report]:
        """Return what to send at `now_s` (any clock that only goes forward), oldest hours first.

        A module with a report on its way sends nothing until that is confirmed or overdue.
        """
        talking = self._silent_until <= self.last_hour
        ready = np.flatnonzero((self._pending > 0) & (self._due_s <= now_s) & talking)
        self._due_s[ready] = now_s + self._resend_s
        return [self._report(index) for index in ready.tolist()]

    def hurry(self) -> None:
        """Forget what is on its way: the connection was lost."""
        self._due_s[:] = 0.0

    def received(self, message: ReportReceived) -> int:
        """Take a confirmation; return how many readings it settled.

        Raises
        ------
        PackedReadingsError
            If its bytes are no readings.
        """
        index = self._index.get(message.serial)
        rows = unpack(message.readings)
        if index is None or not len(rows):
            return 0
        rows = rows[rows["module"] == message.serial]
        channels = self._channels[index]
        inputs = self._inputs[channels]
        position = np.minimum(np.searchsorted(inputs, rows["input"]), len(inputs) - 1)
        channel, slot = channels.start + position, rows["hour"] % self._ring
        exact = (
            (inputs[position] == rows["input"])
            & (self._hour[slot] == rows["hour"])
            & (self._registers[channel, slot] == rows["register"])
        )
        before = int(self._pending[index])
        self._waiting[channel[exact], slot[exact]] = False
        self._pending[index] = self._waiting[channels].sum()
        if self._pending[index] < before:
            self._due_s[index] = 0.0
        return before - int(self._pending[index])

    def since(self, hour: int) -> list[tuple[int, Registers]]:
        """Return hours after `hour` that the ring holds, in order, with all their registers."""
        hours = sorted(self._hour[self._hour > hour].tolist())
        return [(h, self._registers[:, h % self._ring].astype(np.int64)) for h in hours]

    def talks(self, serial: int) -> bool:
        """Return whether there is such a module and it is not silent."""
        index = self._index.get(serial)
        return index is not None and bool(self._silent_until[index] <= self.last_hour)

    def hub_of(self, serial: int) -> str:
        """Return the hub that a module reports to."""
        return self._modules[self._index[serial]].hub

    def channel(self, serial: int, number: int) -> int | None:
        """Return the channel of an input, None where a module has none."""
        own = self._channels[self._index[serial]]
        found = np.flatnonzero(self._inputs[own] == number)
        return own.start + int(found[0]) if len(found) else None

    def want(self, channel: int, spans: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
        """Report hours [start, end) again that the ring holds; return those that it does not."""
        absent: list[tuple[int, int]] = []
        for start, end in spans:
            hours = np.arange(start, min(end, start + 10 * self._ring), dtype=np.int32)
            slot = hours % self._ring
            held = self._hour[slot] == hours
            self._waiting[channel, slot[held]] = True
            absent += _runs(hours[~held].tolist(), end if len(hours) < end - start else None)
        self._count()
        return tuple(absent)

    @property
    def oldest_hour(self) -> int:
        """The oldest hour that the rings hold, -1 when they hold none."""
        held = self._hour[self._hour >= 0]
        return int(held.min()) if len(held) else -1

    def snapshot(self) -> Snapshot:
        """Return the state as arrays."""
        return {"registers": self._registers, "waiting": self._waiting, "hour": self._hour}

    def restore(self, state: Snapshot) -> None:
        """Take over a state from `snapshot`; what was on its way is sent again."""
        self._registers = state["registers"].astype(np.int32)
        self._waiting = state["waiting"].astype(np.bool_)
        self._hour = state["hour"].astype(np.int32)
        self._count()
        self.hurry()

    def _count(self) -> None:
        waiting = self._waiting.sum(axis=1)
        self._pending = np.bincount(
            self._module_of, weights=waiting, minlength=len(self._modules)
        ).astype(np.int64)

    def _report(self, index: int) -> Report:
        channels = self._channels[index]
        channel, slot = np.nonzero(self._waiting[channels])
        channel += channels.start
        oldest = np.lexsort((channel, self._hour[slot]))[:READINGS_A_REPORT]
        channel, slot = channel[oldest], slot[oldest]
        rows = np.zeros(len(oldest), dtype=RECORD)
        rows["module"] = self._serials[channel]
        rows["input"] = self._inputs[channel]
        rows["hour"] = self._hour[slot]
        rows["register"] = self._registers[channel, slot]
        module = self._modules[index]
        return Report(module.hub, ModuleReport(module.serial, rows.tobytes()))


def _runs(hours: list[int], up_to: int | None) -> list[tuple[int, int]]:
    """Return rising hours as ranges; the last one reaches `up_to`, if that is given."""
    runs: list[tuple[int, int]] = []
    for hour in hours:
        if runs and runs[-1][1] == hour:
            runs[-1] = (runs[-1][0], hour + 1)
        else:
            runs.append((hour, hour + 1))
    if runs and up_to is not None:
        runs[-1] = (runs[-1][0], up_to)
    return runs
