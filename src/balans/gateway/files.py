"""Writing that holds what it promises: all bytes, and names that outlive a power cut."""

import os
from pathlib import Path


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
