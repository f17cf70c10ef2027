"""`BatchSender` over a channel that loses, repeats and reorders, with restarts of both sides."""

import time
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from typing_extensions import override

from balans.protocols.hub import (
    Ack,
    Batch,
    BatchSender,
    Entry,
    Hello,
    Introduction,
    JournalBehindError,
    Ranges,
    Rank,
    decode,
    encode,
)


@dataclass
class MemoryJournal:
    """The medium: survives restarts of the hub; entries may rot."""

    id: int = 7
    first: int = 0
    entries: dict[int, Entry] = field(default_factory=dict)
    next: int = 0
    rotten: set[int] = field(default_factory=set)
    noticed: set[int] = field(default_factory=set)

    @property
    def lost(self) -> tuple[tuple[int, int], ...]:
        return Ranges.of((o, o + 1) for o in self.noticed if o >= self.first).spans

    def append(self, entry: Entry) -> None:
        self.entries[self.next] = entry
        self.next += 1

    def read(self, start: int, end: int, max_bytes: int) -> tuple[Entry, ...]:
        assert self.first <= start < end <= self.next
        taken: list[Entry] = []
        size = 0
        for offset in range(start, end):
            if offset in self.rotten:
                self.noticed.add(offset)
                break
            entry = self.entries[offset]
            size += len(entry.data)
            if taken and size > max_bytes:
                break
            taken.append(entry)
        return tuple(taken)

    def trim(self, below: int) -> None:
        for offset in range(self.first, below):
            del self.entries[offset]
        self.first = max(self.first, below)


@dataclass
class HeadEnd:
    """The naive head-end: a dictionary of what it holds; survives its restarts.

    `known` is what it remembers of the journal, which it may forget.
    """

    stored: dict[int, Entry] = field(default_factory=dict)
    settled: set[int] = field(default_factory=set)
    known: set[int] = field(default_factory=set)

    def take(self, message: Hello | Batch) -> Ack:
        if isinstance(message, Hello):
            self.settled |= set(range(message.first))
            for start, end in message.lost:
                self.settled |= set(range(start, end))
            self.known |= self.settled & {
                *range(message.first),
                *(offset for start, end in message.lost for offset in range(start, end)),
            }
        else:
            for offset, entry in enumerate(message.entries, message.first):
                assert self.stored.setdefault(offset, entry) == entry
                self.known.add(offset)
        return self.ack(message.journal)

    def ack(self, journal: int) -> Ack:
        held = Ranges.of((o, o + 1) for o in self.known)
        end = held.spans[-1][1] if held.spans else 0
        mark = held.contiguous_from(0)
        return Ack(journal, mark, end, held.missing(mark, end).spans)


class Delivery(RuleBasedStateMachine):
    """Everything journalled is stored, once, whatever the channel and the restarts do."""

    @initialize(max_bytes=st.integers(1, 12), in_flight=st.integers(1, 4))
    def start(self, max_bytes: int, in_flight: int) -> None:
        self.journal = MemoryJournal()
        self.head_end = HeadEnd()
        self.now_s = 0.0
        self.up: list[bytes] = []
        self.down: list[bytes] = []
        self.written: dict[int, Entry] = {}
        self.restart_hub(max_bytes, in_flight)

    @rule(data=st.binary(min_size=0, max_size=5), rank=st.sampled_from(Rank))
    def append(self, data: bytes, rank: Rank) -> None:
        self.written[self.journal.next] = Entry(1, data)
        self.journal.append(Entry(1, data))
        self.sender.ranked(self.journal.next - 1, [rank])

    @rule()
    def head_end_forgets(self) -> None:
        self.head_end.known.clear()

    @rule(step_s=st.sampled_from([0.0, 1.0, 4.0, 11.0]))
    def publish(self, step_s: float) -> None:
        self.now_s += step_s
        self.up += [encode(message) for message in self.sender.due(self.now_s)]

    @precondition(lambda self: self.up)
    @rule(data=st.data(), repeat=st.booleans(), answer=st.booleans())
    def arrive_at_head_end(self, data: st.DataObject, *, repeat: bool, answer: bool) -> None:
        index = data.draw(st.integers(0, len(self.up) - 1))
        message = decode(self.up[index] if repeat else self.up.pop(index))
        assert isinstance(message, Hello | Batch)
        ack = self.head_end.take(message)
        if answer:  # else killed between COMMIT and the acknowledgement
            self.down.append(encode(ack))

    @precondition(lambda self: self.down)
    @rule(data=st.data(), repeat=st.booleans())
    def arrive_at_hub(self, data: st.DataObject, *, repeat: bool) -> None:
        index = data.draw(st.integers(0, len(self.down) - 1))
        self.take_ack(self.down[index] if repeat else self.down.pop(index))

    def take_ack(self, raw: bytes) -> None:
        ack = decode(raw)
        assert isinstance(ack, Ack)
        below = self.sender.acknowledged(ack)
        assert below is not None
        settled = {*self.head_end.stored, *self.head_end.settled}
        assert all(offset in settled for offset in range(below))
        self.journal.trim(below)

    @precondition(lambda self: self.up)
    @rule(data=st.data())
    def lose_up(self, data: st.DataObject) -> None:
        self.up.pop(data.draw(st.integers(0, len(self.up) - 1)))

    @precondition(lambda self: self.down)
    @rule(data=st.data())
    def lose_down(self, data: st.DataObject) -> None:
        self.down.pop(data.draw(st.integers(0, len(self.down) - 1)))

    @rule(max_bytes=st.integers(1, 12), in_flight=st.integers(1, 4))
    def restart_hub(self, max_bytes: int, in_flight: int) -> None:
        self.sender = BatchSender(self.journal, max_bytes, in_flight)
        self.sender.connected()

    @rule()
    def connection_returns_or_head_end_polls(self) -> None:
        self.sender.connected()

    @precondition(lambda self: self.journal.entries)
    @rule(data=st.data())
    def rot(self, data: st.DataObject) -> None:
        self.journal.rotten.add(data.draw(st.sampled_from(sorted(self.journal.entries))))

    @invariant()
    def stored_is_what_was_written(self) -> None:
        head_end = getattr(self, "head_end", HeadEnd())
        assert all(self.written[offset] == entry for offset, entry in head_end.stored.items())

    @override
    def teardown(self) -> None:
        if not hasattr(self, "journal"):
            return
        for _ in range(200):
            self.publish(11.0)
            while self.up:
                message = decode(self.up.pop())
                assert isinstance(message, Hello | Batch)
                self.down.append(encode(self.head_end.take(message)))
            while self.down:
                self.take_ack(self.down.pop())
            if self.sender.idle and self.journal.first == self.journal.next:
                break  # what a head-end forgot is told again, so trimming may come a Hello later
        assert self.sender.idle
        assert set(self.written) - set(self.head_end.stored) <= self.journal.noticed
        assert self.journal.first == self.journal.next


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def sender_of(count: int, **bounds: float) -> tuple[MemoryJournal, BatchSender]:
    journal = MemoryJournal()
    for index in range(count):
        journal.append(Entry(1, bytes([index])))
    sender = BatchSender(journal, **bounds)  # type: ignore[arg-type]
    sender.connected()
    return journal, sender


def test_no_batch_is_sent_before_the_head_end_has_answered() -> None:
    _, sender = sender_of(3)
    assert sender.due(0.0) == [Hello(7, 0, 3)]
    assert sender.due(9.9) == []
    assert sender.due(10.0) == [Hello(7, 0, 3)]
    assert sender.acknowledged(Ack(7, 1, 1)) == 1
    assert [(m.first, m.end) for m in sender.due(10.0) if isinstance(m, Batch)] == [(1, 3)]


def test_batches_in_flight_are_bounded() -> None:
    _, sender = sender_of(20, max_bytes=1, max_in_flight=3, max_archive=3)
    sender.due(0.0)
    sender.acknowledged(Ack(7, 0, 0))
    assert len(sender.due(0.0)) == 3
    assert sender.due(1.0) == []
    sender.acknowledged(Ack(7, 1, 1))
    assert len(sender.due(1.0)) == 1


def test_a_silent_head_end_is_asked_with_a_hello_instead_of_batches() -> None:
    _, sender = sender_of(2)
    sender.due(0.0)
    sender.acknowledged(Ack(7, 0, 0))
    sender.due(0.0)
    sender.acknowledged(Ack(7, 0, 0))  # alive, so the batch is simply repeated once more
    assert isinstance(sender.due(10.0)[0], Batch)
    assert sender.due(20.0) == [Hello(7, 0, 2)]
    assert sender.due(29.0) == []


def test_holes_are_sent_again() -> None:
    _, sender = sender_of(9)
    sender.due(0.0)
    sender.acknowledged(Ack(7, 2, 9, ((2, 4), (6, 7))))
    assert [(m.first, m.end) for m in sender.due(0.0) if isinstance(m, Batch)] == [(2, 4), (6, 7)]


def test_an_acknowledgement_of_another_journal_changes_nothing() -> None:
    _, sender = sender_of(2)
    assert sender.acknowledged(Ack(8, 2, 2)) is None
    assert not sender.idle


def test_a_journal_that_lost_its_tail_is_noticed_even_after_new_entries() -> None:
    journal, sender = sender_of(5)
    journal.append(Entry(1, b"new"))  # takes offset 5, which the head-end already has
    with pytest.raises(JournalBehindError, match="up to 6, the journal sent 5"):
        sender.acknowledged(Ack(7, 6, 6))


def test_what_a_restored_head_end_forgot_is_sent_again() -> None:
    _, sender = sender_of(4)
    sender.due(0.0)
    sender.acknowledged(Ack(7, 4, 4))
    assert sender.idle
    sender.connected()
    sender.due(1.0)
    sender.acknowledged(Ack(7, 1, 1))
    assert [(m.first, m.end) for m in sender.due(1.0) if isinstance(m, Batch)] == [(1, 4)]


def batches(sender: BatchSender, now_s: float) -> list[tuple[int, int, int]]:
    return [(m.first, m.end, m.rank) for m in sender.due(now_s) if isinstance(m, Batch)]


def introduced(count: int, **bounds: float) -> tuple[MemoryJournal, BatchSender]:
    journal, sender = sender_of(count, **bounds)
    sender.due(0.0)
    sender.acknowledged(Ack(7, 0, 0))
    return journal, sender


def test_what_is_urgent_goes_first_and_the_archive_last() -> None:
    _, sender = introduced(8)
    sender.ranked(1, [Rank.CURRENT, Rank.COMMAND])
    sender.ranked(5, [Rank.ALARM, Rank.CURRENT, Rank.CURRENT])
    assert batches(sender, 0.0) == [
        (2, 3, Rank.COMMAND),
        (5, 6, Rank.ALARM),
        (1, 2, Rank.CURRENT),
        (6, 8, Rank.CURRENT),
        (0, 1, Rank.ARCHIVE),
        (3, 5, Rank.ARCHIVE),
    ]


def test_an_archive_on_its_way_leaves_room_for_what_is_urgent() -> None:
    journal, sender = introduced(100, max_bytes=10)
    assert batches(sender, 0.0) == [(0, 10, Rank.ARCHIVE), (10, 20, Rank.ARCHIVE)]
    assert batches(sender, 1.0) == []
    journal.append(Entry(2, b"switched"))
    sender.ranked(100, [Rank.COMMAND])
    assert batches(sender, 2.0) == [(100, 101, Rank.COMMAND)]
    sender.acknowledged(Ack(7, 0, 101, ((0, 100),)))
    assert batches(sender, 3.0) == []
    sender.acknowledged(Ack(7, 10, 101, ((10, 100),)))
    assert batches(sender, 3.0) == [(20, 30, Rank.ARCHIVE)]


def test_two_ranks_that_took_turns_through_a_long_outage_hold_nothing_up() -> None:
    journal = MemoryJournal()
    sender = BatchSender(journal)
    began_s = time.process_time()
    for at in range(20_000):  # load control switched, modules reported, the server was away
        journal.append(Entry(1, b"x"))
        sender.ranked(at, [Rank.COMMAND if at % 2 else Rank.CURRENT])
    sender.due(0.0)
    sender.acknowledged(Ack(7, 0, 0))
    batches = [b for b in sender.due(1.0) if isinstance(b, Batch)]
    assert [b.first for b in batches] == [1, 3, 5, 7, 9, 11, 13, 15]
    sender.acknowledged(Ack(7, 0, 16, tuple((at, at + 1) for at in range(0, 16, 2))))
    batches = [b for b in sender.due(2.0) if isinstance(b, Batch)]
    assert [b.first for b in batches] == [17, 19, 21, 23, 25, 27, 29, 31]
    assert time.process_time() - began_s < 3  # it was two minutes


def test_a_trouble_is_told_once_when_it_comes_and_once_when_it_goes() -> None:
    _, sender = sender_of(0)
    sender.introduction = Introduction("balans 1", site="house")
    assert sender.due(0.0) == [Hello(7, 0, 0, software="balans 1", site="house")]
    sender.acknowledged(Ack(7, 0, 0))
    sender.trouble("no space left")
    assert sender.due(1.0) == []  # the head-end is not flooded
    told = Hello(7, 0, 0, software="balans 1", site="house", trouble="no space left")
    assert sender.due(11.0) == [told]
    sender.trouble("no space left")
    assert sender.due(30.0) == []
    sender.trouble("")
    assert sender.due(31.0) == [Hello(7, 0, 0, software="balans 1", site="house")]


def test_a_head_end_that_has_forgotten_the_journal_is_told_where_it_begins() -> None:
    journal, sender = introduced(4)
    sender.due(0.0)
    journal.trim(sender.acknowledged(Ack(7, 4, 4)) or 0)
    journal.append(Entry(1, b"x"))
    assert batches(sender, 20.0) == [(4, 5, Rank.ARCHIVE)]
    sender.acknowledged(Ack(7, 0, 5, ((0, 4),)))
    assert sender.due(20.0) == [Hello(7, 4, 5)]
    assert sender.acknowledged(Ack(7, 5, 5)) == 5
