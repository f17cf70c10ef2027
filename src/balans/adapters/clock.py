"""Clocks: the system's, and one that several processes of a replay share through a file."""

import os
import struct
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from balans.core.errors import UnavailableError

RECORD = struct.Struct("<ddd")
"""Site time [Unix s], wall time [Unix s] at which it held, and speed (0 = stands still)."""


class SystemClock:
    """The present."""

    speed = 1.0

    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.now(UTC)


class SharedClock:
    """The present of a replay: reads the file that a `SharedClockWriter` keeps.

    Raises
    ------
    UnavailableError
        The file is missing or not a clock; the message names it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise UnavailableError(f"{path}: clock of the replay: {error.strerror}") from error
        try:
            self.now_s()
        except UnavailableError:
            self.close()
            raise

    @property
    def speed(self) -> float:
        """Site seconds in a second of the wall clock; 0 while the clock is moved by steps."""
        return self._values()[2]

    def now_s(self) -> float:
        """Return the site's time [Unix s]."""
        site_s, wall_s, speed = self._values()
        return float(site_s + (time.time() - wall_s) * speed) if speed else float(site_s)

    def now(self) -> datetime:
        """Return the site's time in UTC."""
        return datetime.fromtimestamp(self.now_s(), UTC)

    def _values(self) -> tuple[float, float, float]:
        record = self._record()
        if len(record) != RECORD.size:
            raise UnavailableError(f"{self.path}: is not the clock of a replay")
        site_s, wall_s, speed = RECORD.unpack(record)
        return site_s, wall_s, speed

    def _record(self) -> bytes:
        """Read until two in a row agree: a read may fall into the middle of a write."""
        record, before = os.pread(self._fd, RECORD.size, 0), None
        while record != before:
            record, before = os.pread(self._fd, RECORD.size, 0), record
        return record

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class SharedClockWriter:
    """Sets the clock of a replay; one process at a time does so.

    The file is written in place, so that readers need not open it again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise UnavailableError(f"{path}: clock of the replay: {error.strerror}") from error

    def set(self, site_s: float, speed: float = 0.0) -> None:
        """Let it be `site_s` [Unix s] now, and go on at `speed` site seconds a second."""
        os.pwrite(self._fd, RECORD.pack(site_s, time.time(), speed), 0)

    def close(self) -> None:
        """Close the file; the clock goes on as it was set."""
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
