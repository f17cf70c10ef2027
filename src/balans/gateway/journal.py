"""The hub's journal: what was reported here is kept until the head-end has stored it.

A folder of segments (see `balans.gateway.segment`), each named after its first offset and the
salt of the journal. Entries are appended to the last one and made durable before
`Journal.append` returns; acknowledged segments are removed whole. One process owns the folder.

What can go wrong, and what happens then
----------------------------------------
- *Killed while writing*: the torn tail is left behind when the journal is opened.
- *Set back*: the medium lost its tail, or an older image of it was put back; new entries would
  take offsets that the head-end holds already. What was sent from here before cannot be known
  from the medium, so the journal takes a new identity every time it is opened: the head-end
  then sees a fresh sequence, and no new entry can pass for an old one. What is held is sent
  again, at most one segment more than what was not acknowledged.
- *Damage in the middle*: the entries around it are kept, the range between becomes `lost`,
  which is a finding here and is told to the head-end.
- *Disk full*: `append` raises, the file is as before, and the next append tries again. A
  journal can be opened on a full disk; what is held can be sent and trimmed.
"""

import contextlib
import fcntl
import os
import re
import secrets
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from balans.core.errors import Finding, UnavailableError
from balans.gateway.files import make_folder, read_all, sync_folder, write_all
from balans.gateway.segment import (
    FILE_HEADER,
    MAX_DATA_BYTES,
    decode_entry,
    decode_file_header,
    encode_entry,
    encode_file_header,
    scan,
)
from balans.protocols.hub import Entry, Ranges

NAME = re.compile(r"([0-9]{20})-([0-9a-f]{8})\.seg")
MAX_OFFSET = 2**62


def random_identity() -> int:
    """Return a journal identity that no other journal has."""
    return secrets.randbelow(2**62 - 1) + 1


@dataclass(slots=True)
class Segment:
    """The index of a segment: entry n lies at byte `positions[n]`, 0 where it is lost."""

    path: Path
    base: int
    size: int
    positions: list[int] = field(default_factory=list)

    @property
    def end(self) -> int:
        """Offset after the last entry."""
        return self.base + len(self.positions)

    def lost(self) -> Iterator[tuple[int, int]]:
        """Yield the offsets of unreadable entries as ranges of one."""
        for number, position in enumerate(self.positions):
            if not position:
                yield self.base + number, self.base + number + 1


class Journal:
    """An append-only, crash-safe sequence of entries numbered from 0.

    Parameters
    ----------
    folder
        Where the segments lie; made if absent.
    segment_bytes
        A segment that has grown to this size is followed by a new one.
    new_identity
        Source of random identities.

    Raises
    ------
    UnavailableError
        If another process owns the folder, or the folder cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        segment_bytes: int = 1_000_000,
        new_identity: Callable[[], int] = random_identity,
    ) -> None:
        self.findings: list[Finding] = []
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._new_identity = new_identity
        self._mutex = threading.Lock()
        self._lost = Ranges()
        self._segments: list[Segment] = []
        self._id = 0
        self._writer_fd: int | None = None
        self._salt = 0
        try:
            make_folder(folder)
            self._lock_fd = _own(folder)
        except OSError as error:
            raise UnavailableError(f"journal {folder}: {error.strerror}") from error
        try:
            self._open()
        except OSError as error:
            self.close()
            raise UnavailableError(f"journal {folder}: {error.strerror}") from error

    @property
    def id(self) -> int:
        """Identity, random and new at every opening: the sequence may not be the old one."""
        return self._id

    @property
    def first(self) -> int:
        """Offset of the oldest entry still held."""
        return self._segments[0].base if self._segments else 0

    @property
    def next(self) -> int:
        """Offset that the next entry will get; all below it is durable."""
        return self._segments[-1].end if self._segments else 0

    @property
    def lost(self) -> tuple[tuple[int, int], ...]:
        """Ranges inside [first, next) that can no longer be read."""
        return self._lost.spans

    @property
    def size_bytes(self) -> int:
        """Bytes on disk."""
        return sum(segment.size for segment in self._segments)

    def append(self, entries: Sequence[Entry]) -> int:
        """Make `entries` durable; return the offset of the first of them.

        Safe to call from a thread beside readers; not from two threads at once.

        Raises
        ------
        UnavailableError
            If the disk refuses. Then nothing was appended.
        ValueError
            If an entry is larger than `MAX_DATA_BYTES`; nothing was appended.
        """
        if any(len(entry.data) > MAX_DATA_BYTES for entry in entries):
            raise ValueError(f"an entry holds at most {MAX_DATA_BYTES} bytes")
        try:
            fd = self._writer_fd
            if fd is None or self._segments[-1].size >= self._segment_bytes:
                fd = self._start_segment()
            return self._write(fd, self._segments[-1], entries)
        except OSError as error:
            raise UnavailableError(f"journal {self._folder}: {error.strerror}") from error

    def read(self, start: int, end: int, max_bytes: int) -> tuple[Entry, ...]:
        """Return consecutive entries from `start`, below `end`: at least one.

        At most `max_bytes` on disk unless a single entry is larger, and none beyond its segment.
        Nothing is returned when the entry at `start` is unreadable; then `lost` holds it.

        Raises
        ------
        UnavailableError
            If the file cannot be read now.
        """
        with self._mutex:
            segment = self._segment_of(start)
            positions = segment.positions[start - segment.base : end - segment.base + 1]
            if len(positions) <= end - start:
                positions.append(segment.size)
            if 0 in positions:
                positions = [*positions[: positions.index(0)], segment.size]
        return self._read_at(segment, start, _fitting(positions, max_bytes))

    def entries(self) -> Iterator[tuple[int, Entry]]:
        """Yield (offset, entry) for every readable entry, oldest first."""
        for first, found in self.runs():
            yield from enumerate(found, first)

    def runs(self) -> Iterator[tuple[int, tuple[Entry, ...]]]:
        """Yield all readable entries, oldest first, with the offset of the first of each run."""
        at = self.first
        while at < self.next:
            found = self.read(at, self.next, self._segment_bytes)
            if found:
                yield at, found
            at = self._lost.contiguous_from(at + len(found))

    def trim(self, below: int) -> None:
        """Remove the segments that lie wholly below `below`; the last one always stays."""
        with self._mutex:
            while len(self._segments) > 1 and self._segments[1].base <= below:
                self._segments.pop(0).path.unlink(missing_ok=True)
            self._lost = self._lost.within(self.first, self.next)

    def renew(self) -> None:
        """Take a new identity: the head-end will be sent all that is held, as a new sequence.

        Old entries keep their offsets. New ones go to a new segment, which carries the identity;
        on a full disk it is the next append that makes it.
        """
        self._id = self._new_identity()
        self._close_writer()
        with contextlib.suppress(OSError):
            self._start_segment()

    def close(self) -> None:
        """Give the folder free."""
        self._close_writer()
        self._segments.clear()
        os.close(self._lock_fd)

    def _close_writer(self) -> None:
        fd, self._writer_fd = self._writer_fd, None
        if fd is not None:
            os.close(fd)

    # opening

    def _open(self) -> None:
        for leftover in self._folder.glob("*.tmp"):
            leftover.unlink()
        self._salt = self._new_identity() & 0xFFFF_FFFF
        for path in sorted(self._folder.glob("*.seg")):
            name = NAME.fullmatch(path.name)
            if name and int(name[1]) < MAX_OFFSET:
                self._salt = int(name[2], 16)
                self._load(path, int(name[1]))
            else:
                self._find(path, "no segment of a journal, passed over", "warning")
        self._mark_missing()
        self._find_torn()
        self.renew()

    def _load(self, path: Path, base: int) -> None:
        data = read_all(path)
        if decode_file_header(data, base) is None:
            self._find(path, "damaged header")
        found = scan(data, self._salt)
        self._segments.append(Segment(path, base, found.end, found.positions))
        lost = list(self._segments[-1].lost())
        if lost:
            self._lose(path, Ranges.of(lost))

    def _mark_missing(self) -> None:
        for left, right in pairwise(self._segments):
            del left.positions[right.base - left.base :]
            if left.end < right.base:
                self._lose(left.path, Ranges(((left.end, right.base),)))

    def _find_torn(self) -> None:
        """Tell whether bytes follow the last sound entry. They stay: a new segment follows."""
        for last in self._segments[-1:]:
            torn = last.path.stat().st_size - last.size
            if torn:
                self._find(last.path, f"{torn} torn bytes behind offset {last.end - 1}", "warning")

    def _lose(self, path: Path, lost: Ranges) -> None:
        self._lost = Ranges.of((*self._lost.spans, *lost.spans))
        for start, end in lost.spans:
            self._find(path, f"entries {start} to {end - 1} are damaged and lost")

    def _find(self, path: Path, what: str, severity: str = "error") -> None:
        self.findings.append(Finding(str(path), what, severity))

    # writing and reading

    def _start_segment(self) -> int:
        """Begin a segment, complete on disk under its name or not there at all; return its file."""
        base = self.next
        path = self._folder / f"{base:020d}-{self._salt:08x}.seg"
        temporary = path.with_suffix(".tmp")
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        try:
            write_all(fd, encode_file_header(self._id, base), 0)
            os.fsync(fd)
            temporary.replace(path)
            sync_folder(self._folder)
        except OSError:
            os.close(fd)
            raise
        with self._mutex:
            if self._segments and self._segments[-1].base == base:
                self._segments.pop()
            self._segments.append(Segment(path, base, FILE_HEADER.size))
        self._close_writer()
        self._writer_fd = fd
        return fd

    def _write(self, fd: int, segment: Segment, entries: Sequence[Entry]) -> int:
        number = len(segment.positions)
        blocks = [encode_entry(at, entry, self._salt) for at, entry in enumerate(entries, number)]
        try:
            write_all(fd, b"".join(blocks), segment.size)
            os.fdatasync(fd)
        except OSError:
            os.ftruncate(fd, segment.size)
            raise
        first = segment.end
        with self._mutex:
            for block in blocks:
                segment.positions.append(segment.size)
                segment.size += len(block)
        return first

    def _segment_of(self, offset: int) -> Segment:
        if not self.first <= offset < self.next:
            raise ValueError(f"offset {offset} outside [{self.first}, {self.next})")
        return self._segments[bisect_right(self._segments, offset, key=lambda s: s.base) - 1]

    def _read_at(self, segment: Segment, start: int, positions: list[int]) -> tuple[Entry, ...]:
        if len(positions) < 2:
            return ()
        data = self._bytes_at(segment, positions[0], positions[-1])
        found: list[Entry] = []
        for number, position in enumerate(positions[:-1], start - segment.base):
            decoded = decode_entry(data, position - positions[0], self._salt)
            if decoded is None or decoded[0] != number:
                self._mark_unreadable(segment, number)
                break
            found.append(decoded[1])
        return tuple(found)

    def _bytes_at(self, segment: Segment, start: int, end: int) -> bytes:
        """Return bytes of a segment; none if it has vanished, zeros where it cannot be read.

        The file is open for no longer than that: a journal of months has many of them.
        """
        try:
            return read_all(segment.path, start, end)
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise UnavailableError(f"journal {self._folder}: {error.strerror}") from error

    def _mark_unreadable(self, segment: Segment, number: int) -> None:
        offset = segment.base + number
        with self._mutex:
            segment.positions[number] = 0
            self._lose(segment.path, Ranges(((offset, offset + 1),)))


def _fitting(positions: list[int], max_bytes: int) -> list[int]:
    """Return the leading positions that lie within `max_bytes`: two at least, where there are."""
    if not positions:
        return []
    return positions[: max(2, bisect_right(positions, positions[0] + max_bytes))]


def _own(folder: Path) -> int:
    """Lock `folder` for this process; the lock goes with the process."""
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise UnavailableError(f"journal {folder}: another process owns it") from error
    return fd
