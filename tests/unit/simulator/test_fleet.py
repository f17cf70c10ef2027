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


def test_a_virtual_hub_answers_for_its_modules_at_once() -> None:
    hub, module = virtual_hub(), SPEC.modules[2]
    told = hub.answer(wire.ReadNow("a", module.serial, 3, 5.0), 9.0)
    register = module.channels[2].start_register
    assert told == wire.ReadResult("a", module.serial, 3, wire.ReadState.DONE, 9.0, register)
    for serial in (module.serial + 200, module.serial - 99):
        none = hub.answer(wire.ReadNow("b", serial, 1, 5.0), 9.0)
        assert (none.state, none.detail) == (wire.ReadState.FAILED, wire.NO_ANSWER)


def test_a_virtual_hub_journals_again_what_is_wanted_and_was_counted() -> None:
    hub, first = virtual_hub(), SPEC.modules[0].serial
    hours = {hour: tuple(range(hour, hour + 12)) for hour in (100, 101, 103)}
    wanted = wire.Wanted(
        (
            wire.WantedHours(first + 1, 2, ((99, 102), (103, 105))),
            wire.WantedHours(first + 99, 1, ((100, 101),)),
            wire.WantedHours(first, 1, ((10, 20),)),
        )
    )
    hub.journal_again(wanted, hours)
    (entry,) = hub.journal.read(0, hub.journal.next, 10_000)
    assert [(r.module, r.input, r.hour, r.register) for r in readings_of(entry.data)] == [
        (first + 1, 2, hour, hour + 4) for hour in (100, 101, 103)
    ]


def test_hours_as_they_come_go_before_those_that_are_sent_again() -> None:
    hub, first = virtual_hub(), SPEC.modules[0].serial
    hub.sender.connected()
    hub.sender.due(0.0)
    hub.journal_again(wire.Wanted((wire.WantedHours(first, 1, ((5, 6),)),)), {5: (1,) * 12})
    hub.journal_hour(1_000)
    hub.acknowledge(wire.Ack(hub.journal.id, 0, 0))
    sent = [one for one in hub.sender.due(0.0) if isinstance(one, wire.Batch)]
    assert [(one.first, one.end, one.rank) for one in sent] == [
        (1, 5, wire.Rank.CURRENT),
        (0, 1, wire.Rank.ARCHIVE),
    ]
