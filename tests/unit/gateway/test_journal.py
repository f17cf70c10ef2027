"""The journal keeps every durable entry at its offset, whatever happens to its files."""

import errno
import itertools
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from typing_extensions import override

from balans.core.errors import UnavailableError
from balans.gateway.carried import carried_readings
from balans.gateway.files import BLOCK_BYTES
from balans.gateway.journal import Journal
from balans.gateway.segment import FILE_HEADER, MARKER_BYTES, MAX_DATA_BYTES, encode_entry
from balans.protocols.hub import Ack, Batch, BatchSender, Entry

tricky = st.sampled_from([b"", MARKER_BYTES, encode_entry(1, Entry(1, b"inner"), 0), b"\x00" * 20])
entries = st.builds(Entry, st.integers(0, 255), st.binary(max_size=20) | tricky)
entry_lists = st.lists(entries, min_size=1, max_size=12)


identities = itertools.count(1)


def open_journal(folder: Path, segment_bytes: int = 120) -> Journal:
    return Journal(folder, segment_bytes, lambda: next(identities))


def base_of(path: Path) -> int:
    return int(path.name[:20])


def held(journal: Journal) -> dict[int, Entry]:
    return dict(journal.entries())


def written(folder: Path, rows: list[Entry], segment_bytes: int = 120) -> int:
    """Fill a journal one entry at a time; return its identity."""
    journal = open_journal(folder, segment_bytes)
    for index, row in enumerate(rows):
        assert journal.append([row]) == index
    journal.close()
    return journal.id


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.seg"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def temporary() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="journal-")


@given(entry_lists)
def test_entries_are_read_back_after_reopening(rows: list[Entry]) -> None:
    with temporary() as name:
        identity = written(Path(name), rows)
        journal = open_journal(Path(name))
        assert journal.id != identity
        assert (journal.first, journal.next) == (0, len(rows))
        assert list(journal.entries()) == list(enumerate(rows))
        assert journal.findings == []
        journal.close()


@given(entry_lists, st.data())
def test_a_file_cut_anywhere_keeps_the_entries_before_the_cut(
    rows: list[Entry], data: st.DataObject
) -> None:
    """A crash between write and fsync leaves any prefix of what was written last."""
    with temporary() as name:
        identity = written(Path(name), rows)
        last = segments(Path(name))[-1]
        size = last.stat().st_size
        cut = data.draw(st.integers(0, size - 1))
        os.truncate(last, cut)
        journal = open_journal(Path(name))
        kept = journal.next
        base = base_of(last)
        assert list(journal.entries()) == list(enumerate(rows))[:kept]
        assert journal.lost == ()
        ends = itertools.accumulate(
            (len(encode_entry(0, row, 0)) for row in rows[base:]), initial=FILE_HEADER.size
        )
        complete = [end for end in ends if end <= cut]
        assert kept == base + max(len(complete) - 1, 0)
        assert journal.id != identity
        assert bool(journal.findings) == (cut not in complete)
        assert_goes_on(journal, Path(name))


def assert_goes_on(journal: Journal, folder: Path) -> None:
    """A mended journal takes entries, and opens without findings about its tail afterwards."""
    at = journal.next
    assert journal.append([Entry(9, b"after")]) == at
    before = held(journal)
    journal.close()
    again = open_journal(folder)
    assert held(again) == before
    assert held(again)[at] == Entry(9, b"after")
    again.close()


@given(entry_lists, st.data())
@settings(max_examples=200)
def test_damage_anywhere_loses_only_what_it_touched_and_says_so(
    rows: list[Entry], data: st.DataObject
) -> None:
    with temporary() as name:
        identity = written(Path(name), rows)
        path = data.draw(st.sampled_from(segments(Path(name))))
        raw = bytearray(path.read_bytes())
        start = data.draw(st.integers(0, len(raw) - 1))
        stop = min(len(raw), start + data.draw(st.integers(1, 30)))
        original = bytes(raw)
        raw[start:stop] = bytes(byte ^ 0x55 for byte in raw[start:stop])
        path.write_bytes(raw)
        journal = open_journal(Path(name))
        found = held(journal)
        lost = {o for s, e in journal.lost for o in range(s, e)}
        assert all(found[offset] == rows[offset] for offset in found)
        assert set(found) | lost == set(range(journal.next))
        assert not set(found) & lost
        touched = touched_offsets(original, base_of(path), rows, range(start, stop))
        assert set(range(len(rows))) - set(found) == touched
        assert journal.id != identity
        assert bool(journal.findings)
        assert_goes_on(journal, Path(name))


def touched_offsets(raw: bytes, base: int, rows: list[Entry], damage: range) -> set[int]:
    touched = set()
    at = FILE_HEADER.size
    for offset, row in enumerate(rows[base:], base):
        end = at + len(encode_entry(0, row, 0))
        if end > len(raw):
            break
        if damage.start < end and damage.stop > at:
            touched.add(offset)
        at = end
    return touched


def test_a_missing_segment_is_lost_as_a_range(folder: Path) -> None:
    rows = [Entry(1, bytes(30)) for _ in range(20)]
    written(folder, rows)
    first, second, third, *_ = segments(folder)
    second.unlink()
    journal = open_journal(folder)
    assert journal.lost == ((base_of(second), base_of(third)),)
    assert set(held(journal)) == set(range(20)) - set(range(base_of(second), base_of(third)))
    assert journal.read(base_of(second), 20, 1000) == ()
    assert "are damaged and lost" in str(journal.findings[0])
    assert first.name in journal.findings[0].where
    journal.close()


def test_damage_that_appears_while_open_is_found_when_read(folder: Path) -> None:
    journal = open_journal(folder, 10_000)
    journal.append([Entry(1, bytes([n]) * 10) for n in range(5)])
    path = segments(folder)[0]
    raw = bytearray(path.read_bytes())
    raw[FILE_HEADER.size + 26 * 2 + 20] ^= 1
    path.write_bytes(raw)
    assert len(journal.read(0, 5, 1000)) == 2
    assert journal.lost == ((2, 3),)
    assert journal.read(2, 5, 1000) == ()
    assert [entry.data[0] for entry in journal.read(3, 5, 1000)] == [3, 4]
    journal.close()


@pytest.mark.parametrize(
    "name", ["notes.seg", "1.seg", "9" * 20 + "-00000001.seg", "0" * 20 + ".seg"]
)
def test_foreign_files_are_passed_over_with_a_finding(folder: Path, name: str) -> None:
    written(folder, [Entry(1, b"x")])
    (folder / name).write_bytes(b"what is this")
    journal = open_journal(folder)
    assert journal.next == 1
    assert [finding.severity for finding in journal.findings] == ["warning"]
    journal.close()


@pytest.mark.parametrize("raw", [b"", b"x", b"\x00" * 100, b"BALJRNL1" + b"\xff" * 40])
def test_a_journal_of_rubbish_begins_anew_behind_it(folder: Path, raw: bytes) -> None:
    folder.mkdir()
    (folder / f"{5:020d}-00000001.seg").write_bytes(raw)
    journal = open_journal(folder)
    assert journal.next == 5
    assert journal.findings
    assert_goes_on(journal, folder)


def test_read_is_bounded_and_gives_at_least_one(folder: Path) -> None:
    journal = open_journal(folder, 10_000)
    journal.append([Entry(1, bytes(84)) for _ in range(10)])  # 100 bytes each on disk
    assert len(journal.read(0, 10, 250)) == 2
    assert len(journal.read(0, 10, 1)) == 1
    assert len(journal.read(8, 10, 250)) == 2
    assert len(journal.read(3, 5, 10_000)) == 2
    with pytest.raises(ValueError, match="offset 10 outside"):
        journal.read(10, 11, 100)
    with pytest.raises(ValueError, match="at most"):
        journal.append([Entry(1, bytes(MAX_DATA_BYTES + 1))])
    journal.close()


def test_only_one_process_owns_the_folder(folder: Path) -> None:
    journal = open_journal(folder)
    with pytest.raises(UnavailableError, match="another process owns it"):
        open_journal(folder)
    journal.close()
    open_journal(folder).close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError, match=r"journal .*file/journal"):
        Journal(tmp_path / "file" / "journal")


@pytest.fixture
def full_disk() -> Iterator[None]:
    """Let files of this process grow to 400 bytes and no further."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, previous)


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_appends_nothing_and_the_journal_goes_on(folder: Path) -> None:
    journal = Journal(folder)
    rows = [Entry(1, bytes([n]) * 84) for n in range(4)]  # 100 bytes each on disk
    journal.append(rows[:2])
    with pytest.raises(UnavailableError, match="File too large"):
        journal.append([rows[2], rows[3]])
    assert segments(folder)[0].stat().st_size == 232
    assert journal.append([rows[2]]) == 2
    journal.close()
    again = Journal(folder)
    assert list(again.entries()) == list(enumerate(rows[:3]))
    assert again.findings == []
    again.close()


def test_a_journal_opens_on_a_full_disk_and_can_be_read_and_trimmed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = written(folder, [Entry(1, bytes(30)) for _ in range(9)])
    os.truncate(segments(folder)[-1], segments(folder)[-1].stat().st_size - 1)

    def no_space(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", no_space)
        journal = open_journal(folder)
        assert journal.id != identity
        assert len(held(journal)) == 8
        with pytest.raises(UnavailableError, match="No space left"):
            journal.append([Entry(1, b"x")])
        journal.trim(6)
        assert 0 < journal.first <= 6
    assert journal.append([Entry(1, b"x")]) == 8
    journal.close()


def test_renewing_keeps_the_entries_under_a_new_identity(folder: Path) -> None:
    journal = open_journal(folder)
    journal.append([Entry(1, b"a")])
    old = journal.id
    journal.renew()
    assert journal.id != old
    assert held(journal) == {0: Entry(1, b"a")}
    assert_goes_on(journal, folder)


def test_an_image_put_back_passes_nothing_new_for_what_was_sent_before(
    folder: Path, tmp_path: Path
) -> None:
    """A restored disk, entries written offline, and a restart before the first connection."""
    written(folder, [Entry(1, b"a%d" % n) for n in range(50)])
    shutil.copytree(folder, tmp_path / "image")
    journal = open_journal(folder)
    journal.append([Entry(1, b"b%d" % n) for n in range(50)])
    head_end: dict[int, dict[int, Entry]] = {journal.id: dict(held(journal))}
    journal.close()
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "image", folder)
    new = [Entry(1, b"new%d" % n) for n in range(60)]
    journal = open_journal(folder)
    journal.append(new)
    journal.close()
    journal = open_journal(folder)
    deliver(journal, head_end)
    stored = [entry for one in head_end.values() for entry in one.values()]
    assert all(entry in stored for entry in new)
    journal.close()


def deliver(journal: Journal, head_end: dict[int, dict[int, Entry]]) -> None:
    """Send until the head-end has everything; it stores nothing twice under the same offset."""
    sender = BatchSender(journal)
    now_s = 0.0
    while not sender.idle:
        now_s += 20.0
        for message in sender.due(now_s):
            there = head_end.setdefault(message.journal, {})
            if isinstance(message, Batch):
                for offset, entry in enumerate(message.entries, message.first):
                    there.setdefault(offset, entry)
            end = max(there, default=-1) + 1
            assert set(there) == set(range(end))
            sender.acknowledged(Ack(message.journal, end, end))


def test_restarts_without_entries_leave_no_files(folder: Path) -> None:
    for _ in range(20):
        open_journal(folder).close()
    assert len(segments(folder)) == 1


def test_a_journal_of_many_segments_keeps_one_file_open(folder: Path) -> None:
    journal = open_journal(folder, 100)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for n in range(300):
        journal.append([Entry(1, bytes([n % 256]) * 100)])
    assert len(segments(folder)) >= 300
    assert len(held(journal)) == 300
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
    journal.close()


def test_a_segment_that_vanishes_while_open_is_lost_and_delivery_goes_on(folder: Path) -> None:
    journal = open_journal(folder, 1)
    journal.append([Entry(1, b"a")])
    journal.append([Entry(1, b"b")])
    segments(folder)[0].unlink()
    assert journal.read(0, 2, 1000) == ()
    assert journal.lost == ((0, 1),)
    assert journal.read(1, 2, 1000) == (Entry(1, b"b"),)
    journal.close()


def test_a_block_that_cannot_be_read_costs_what_lies_in_it_and_no_more(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [Entry(2, bytes([number]) * 1000) for number in range(60)]
    journal = open_journal(folder, 10**6)
    journal.append(rows)
    start = BLOCK_BYTES * 10
    pread = os.pread

    def worn(fd: int, size: int, at: int) -> bytes:
        if at < start + BLOCK_BYTES and at + size > start:
            raise OSError(errno.EIO, "Input/output error")
        return pread(fd, size, at)

    monkeypatch.setattr(os, "pread", worn)
    first = end = 0
    for _ in range(2):  # while it is open, and when it is opened again
        found = held(journal)
        ((first, end),) = journal.lost
        assert end - first <= 6
        assert found == {n: row for n, row in enumerate(rows) if not first <= n < end}
        journal.close()
        journal = open_journal(folder, 10**6)
    assert carried_readings(folder).lost == end - first
    journal.close()


def test_a_file_that_cannot_be_opened_now_loses_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = open_journal(folder)
    journal.append([Entry(1, b"a")])

    def too_many(*_: object, **__: object) -> int:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", too_many)
        with pytest.raises(UnavailableError, match="Too many open files"):
            journal.read(0, 1, 1000)
    assert journal.lost == ()
    assert journal.read(0, 1, 1000) == (Entry(1, b"a"),)
    journal.close()


WRITER = """
import sys
from pathlib import Path
from balans.gateway.journal import Journal
from balans.protocols.hub import Ack, Batch, BatchSender, Entry
journal = Journal(Path(sys.argv[1]), 5_000)
while True:
    at = journal.next
    journal.append([Entry(1, str(at + n).encode() * 20) for n in range(3)])
    print(journal.next, flush=True)
"""


@pytest.mark.parametrize("lines", [1, 7, 40])
def test_what_was_appended_survives_sigkill(folder: Path, lines: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        confirmed = 0
        for _ in range(lines):
            confirmed = int(writer.stdout.readline())
        writer.kill()
    journal = Journal(folder)
    assert journal.next >= confirmed > 0
    assert all(entry.data == str(at).encode() * 20 for at, entry in journal.entries())
    assert len(held(journal)) == journal.next
    journal.close()


class JournalAsList(RuleBasedStateMachine):
    """The journal against a plain list, over restarts, renewals and trims."""

    @initialize(segment_bytes=st.sampled_from([1, 80, 300]))
    def start(self, segment_bytes: int) -> None:
        self.directory = temporary()
        self.folder = Path(self.directory.name)
        self.segment_bytes = segment_bytes
        self.model: list[Entry] = []
        self.trimmed = 0
        self.identities: set[int] = set()
        self.journal = Journal(self.folder, segment_bytes)

    @rule(rows=st.lists(entries, min_size=1, max_size=4))
    def append(self, rows: list[Entry]) -> None:
        assert self.journal.append(rows) == len(self.model)
        self.model += rows

    @rule(data=st.data())
    def trim(self, data: st.DataObject) -> None:
        below = data.draw(st.integers(0, len(self.model)))
        self.journal.trim(below)
        self.trimmed = max(self.trimmed, below)

    @rule()
    def reopen(self) -> None:
        self.identities.add(self.journal.id)
        self.journal.close()
        self.journal = Journal(self.folder, self.segment_bytes)
        assert self.journal.id not in self.identities
        assert self.journal.findings == []

    @rule()
    def renew(self) -> None:
        self.identities.add(self.journal.id)
        self.journal.renew()
        assert self.journal.id not in self.identities

    @rule(data=st.data(), max_bytes=st.integers(1, 300))
    def read(self, data: st.DataObject, max_bytes: int) -> None:
        if self.journal.first < self.journal.next:
            start = data.draw(st.integers(self.journal.first, self.journal.next - 1))
            end = data.draw(st.integers(start + 1, self.journal.next))
            rows = self.journal.read(start, end, max_bytes)
            assert 1 <= len(rows) <= end - start
            assert list(rows) == self.model[start : start + len(rows)]

    @invariant()
    def holds_the_rest_of_the_list(self) -> None:
        if not hasattr(self, "journal"):
            return
        assert self.journal.first <= self.trimmed
        assert self.journal.next == len(self.model)
        assert self.journal.lost == ()
        expected = list(enumerate(self.model))[self.journal.first :]
        assert list(self.journal.entries()) == expected

    @override
    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.journal.close()
            self.directory.cleanup()


TestJournalAsList = JournalAsList.TestCase
TestJournalAsList.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
