"""The journal in memory, and the delivery of a virtual hub without a wire."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from balans.protocols import hub as wire
from balans.protocols.hub import Ranges
from balans.protocols.readings import readings_of
from balans.simulator.fleet import MemoryJournal, VirtualHub
from balans.simulator.generated import GeneratedHub
from balans.simulator.town import synthetic_town

SPEC = synthetic_town(1, 4, seed=9)


def filled(entries: int) -> MemoryJournal:
    journal = MemoryJournal()
    for number in range(entries):
        journal.append(bytes([number]) * 10)
    return journal


def test_offsets_go_on_after_trimming() -> None:
    journal = filled(5)
    journal.trim(3)
    journal.append(b"x")
    assert (journal.first, journal.next) == (3, 6)
    assert [entry.data[:1] for entry in journal.read(4, 6, 1_000)] == [b"\x04", b"x"]
    journal.trim(99)
    assert (journal.first, journal.next) == (6, 6)


def test_a_read_is_bounded_but_never_empty() -> None:
    journal = filled(9)
    assert len(journal.read(0, 9, 35)) == 3
    assert len(journal.read(0, 9, 1)) == 1
    assert len(journal.read(2, 4, 1_000)) == 2


def test_journals_have_identities_of_their_own() -> None:
    ids = {MemoryJournal().id for _ in range(50)}
    assert len(ids) == 50
    assert all(0 < id_ <= 2**62 for id_ in ids)


def virtual_hub() -> VirtualHub:
    start = np.array([[c.start_register for c in module.channels] for module in SPEC.modules])
    return VirtualHub(SPEC.hubs[0].code, list(SPEC.modules), GeneratedHub(9, 1, start))


def test_an_hour_is_journalled_module_by_module() -> None:
    hub = virtual_hub()
    hub.journal_hour(1_000)
    entries = hub.journal.read(0, 4, 10_000)
    assert hub.journal.next == 4
    for entry, module in zip(entries, SPEC.modules, strict=True):
        rows = readings_of(entry.data)
        assert [(r.module, r.input, r.hour, r.register) for r in rows] == [
            (module.serial, c.input, 1_000, c.start_register) for c in module.channels
        ]


class FakeHeadEnd:
    """Stores entries by offset and acknowledges what it holds."""

    def __init__(self) -> None:
        self.entries: dict[int, bytes] = {}

    def store(self, batch: wire.Batch) -> None:
        for offset, entry in enumerate(batch.entries, start=batch.first):
            assert self.entries.setdefault(offset, entry.data) == entry.data

    def ack(self, journal: int) -> wire.Ack:
        held = Ranges.of((offset, offset + 1) for offset in self.entries)
        contiguous = held.contiguous_from(0)
        end = max((end for _, end in held.spans), default=0)
        return wire.Ack(journal, contiguous, end, held.missing(contiguous, end).spans)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["hour", "lost batch", "lost ack", "poll", "ok"]), max_size=30))
def test_everything_is_delivered_whatever_is_lost(events: list[str]) -> None:
    hub, head_end, now_s = virtual_hub(), FakeHeadEnd(), 0.0
    hour = 500
    for event in [*events, *["ok"] * 8]:
        now_s += 3.0
        if event == "hour":
            hub.journal_hour(hour)
            hub.generated.pass_hour(hour)
            hour += 1
        if event == "poll":
            hub.sender.connected()
        for message in hub.sender.due(now_s):
            if isinstance(message, wire.Batch) and event != "lost batch":
                head_end.store(message)
            if event not in {"lost batch", "lost ack"}:
                hub.acknowledge(head_end.ack(hub.journal.id))
    assert hub.sender.unsettled == 0
    assert sorted(head_end.entries) == list(range(4 * (hour - 500)))
    assert hub.journal.first == hub.journal.next
