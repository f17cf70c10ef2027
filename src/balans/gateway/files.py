"""Files on worn media: writing that holds what it promises, reading of all that can be read."""

import errno
import os
from itertools import pairwise
from pathlib import Path
from typing import Final

BLOCK_BYTES: Final = 4096
"""A medium fails by such blocks, aligned to them, or by smaller ones."""


def read_all(path: Path, start: int = 0, end: int | None = None) -> bytes:
    """Return the bytes [start, end) of a file; zeros stand for blocks that cannot be read.

    A worn-out card fails at single blocks: what lies beside them is not lost.

    Raises
    ------
    OSError
        If the file cannot be opened, or fails otherwise than by blocks.
    """
    with path.open("rb", buffering=0) as file:
        fd = file.fileno()
        stop = os.fstat(fd).st_size if end is None else end
        try:
            return _pread(fd, start, stop)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
        edges = [start, *range((start // BLOCK_BYTES + 1) * BLOCK_BYTES, stop, BLOCK_BYTES), stop]
        return b"".join(_block(fd, a, b) for a, b in pairwise(edges))


def _block(fd: int, start: int, end: int) -> bytes:
    try:
        return _pread(fd, start, end)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return bytes(end - start)


def _pread(fd: int, start: int, end: int) -> bytes:
    """Return bytes of a file, which the system may give in parts."""
    found = bytearray()
    while len(found) < end - start:
        part = os.pread(fd, end - start - len(found), start + len(found))
        if not part:
            break
        found += part
    return bytes(found)


def write_all(fd: int, data: bytes, at: int) -> None:
    """Write all of `data` at byte `at`; the system may take it in parts, on a full disk above all.

    Raises
    ------
    OSError
        If the disk refuses; a part may have been written.
    """
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, at)
        view, at = view[written:], at + written


def replace_file(path: Path, data: bytes) -> None:
    """Let `path` hold `data`, whole or not at all, also after a power cut.

    Raises
    ------
    OSError
        If the disk refuses; what `path` held before is still there.
    """
    draft = path.with_name(f"{path.name}.tmp")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    try:
        write_all(fd, data, 0)
        os.fsync(fd)
    finally:
        os.close(fd)
    draft.replace(path)
    sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Make `folder` and what is missing above it, to be there also after a power cut."""
    if folder.is_dir():
        return
    if folder.parent != folder:
        make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
