"""Hubs and channels for ``balans bench ingest``, and what they send hour by hour."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from balans.gateway.delivery import BATCH_BYTES
from balans.protocols.hub import Batch, Entry, EntryKind, encode
from balans.protocols.readings import RECORD, RECORD_BYTES
from balans.usecases.registry_plan import HubPlan, ModulePlan, NodePlan, RegistryPlan, TenantPlan

INPUTS = 3
MODULES_A_HUB = 240
LATE = AGAIN = 0.01
STEP_MOST = 1_000
"""Pulses an hour, at most."""
JOURNAL = 1


class BenchTown:
    """`channels` channels on modules of three inputs, 240 modules a hub, over `hours` hours.

    `registers` are (channels, hours) from hour number `start` on. 1 % of the readings come 1 to
    `latest_h` hours late, 1 % come a second time.
    """

    def __init__(self, channels: int, hours: int, start: int, latest_h: int, seed: int) -> None:
        self.channels, self.hours, self.start = channels, hours, start
        self.sent = 0
        rng = np.random.default_rng(seed)
        first = rng.integers(0, 1_000_000, (channels, 1), np.int32)
        steps = rng.integers(0, STEP_MOST, (channels, hours), np.int32)
        self.registers: NDArray[np.int32] = first + np.cumsum(steps, axis=1, dtype=np.int32)
        delay = rng.integers(1, latest_h + 1, (channels, hours), np.int16)
        chance = rng.random((channels, hours), np.float32)
        self._late = np.where(chance < LATE, delay, 0).astype(np.int16)
        again = (chance >= LATE) & (chance < LATE + AGAIN)
        self._again = np.where(again, delay, 0).astype(np.int16)
        self._offsets = [0] * self.hubs

    @property
    def hubs(self) -> int:
        """How many hubs there are."""
        return -(-self.channels // (INPUTS * MODULES_A_HUB))

    def plan(self) -> RegistryPlan:
        """Return what the registry shall hold."""
        modules = -(-self.channels // INPUTS)
        return RegistryPlan(
            tenant=TenantPlan(code="bench", name="Bench"),
            nodes=(
                NodePlan(code="city", name="City", kind="city", timezone="UTC"),
                *(
                    NodePlan(code=f"t{hub}", name=f"T {hub}", kind="building", parent="city")
                    for hub in range(self.hubs)
                ),
            ),
            hubs=tuple(
                HubPlan(code=f"hub{hub}", name=f"Hub {hub}", site=f"t{hub}")
                for hub in range(self.hubs)
            ),
            modules=tuple(
                ModulePlan(
                    serial=module + 1,
                    node=f"t{module // MODULES_A_HUB}",
                    hub=f"hub{module // MODULES_A_HUB}",
                    inputs=tuple(range(1, 1 + min(INPUTS, self.channels - module * INPUTS))),
                )
                for module in range(modules)
            ),
        )

    def deliveries(self, first: int, last: int) -> list[tuple[str, bytes]]:
        """Return what the hubs send in hours [first, last): hub and payload of each batch.

        That is the registers of these hours, and those of earlier ones that come late or again.
        """
        parts = [
            part
            for number in range(first, last)
            for part in (*self._punctual(number), *self._delayed(number))
        ]
        records = np.concatenate([np.zeros(0, RECORD), *parts])
        if not len(records):
            return []
        self.sent += len(records)
        hub = (records["module"] - 1) // MODULES_A_HUB
        order = np.argsort(hub, kind="stable")
        records, hub = records[order], hub[order]
        bounds = np.searchsorted(hub, np.arange(self.hubs + 1)).tolist()
        return [
            (f"hub{one}", payload)
            for one in range(self.hubs)
            for payload in self._payloads(one, records[bounds[one] : bounds[one + 1]])
        ]

    def _punctual(self, number: int) -> Iterator[NDArray[np.void]]:
        if number < self.hours:
            yield self._records(np.flatnonzero(self._late[:, number] == 0), number)

    def _delayed(self, number: int) -> Iterator[NDArray[np.void]]:
        for earlier in range(max(0, number - int(self._late.max(initial=0))), number):
            if earlier < self.hours:
                due = number - earlier
                which = (self._late[:, earlier] == due) | (self._again[:, earlier] == due)
                yield self._records(np.flatnonzero(which), earlier)

    def _records(self, channels: NDArray[np.intp], number: int) -> NDArray[np.void]:
        found = np.zeros(len(channels), RECORD)
        found["module"] = channels // INPUTS + 1
        found["input"] = channels % INPUTS + 1
        found["hour"] = self.start + number
        found["register"] = self.registers[channels, number]
        return found

    def _payloads(self, hub: int, records: NDArray[np.void]) -> Iterator[bytes]:
        """Yield batches as big as a gateway makes them, with one entry for each report."""
        new = np.flatnonzero(np.diff(records["module"], prepend=0)).tolist()
        data = records.tobytes()
        cuts = [at * RECORD_BYTES for at in (*new, len(records))]
        batch: list[Entry] = []
        began = 0
        for start, end in pairwise(cuts):
            if end - began > BATCH_BYTES:
                yield self._payload(hub, tuple(batch))
                batch, began = [], start
            batch.append(Entry(EntryKind.READINGS, data[start:end]))
        if batch:
            yield self._payload(hub, tuple(batch))

    def _payload(self, hub: int, entries: tuple[Entry, ...]) -> bytes:
        first = self._offsets[hub]
        self._offsets[hub] += len(entries)
        return encode(Batch.of(JOURNAL, first, entries))
