"""The ledger: what the simulated modules themselves counted, the truth about a run.

A CSV file ``channel,time,register``, one row per channel and hour, times in UTC.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from balans.core.errors import InputError
from balans.core.hours import hour_of, time_of
from balans.simulator.arrays import Registers

HEADER = ("channel", "time", "register")


def iso(hour: int) -> str:
    """Return the beginning of `hour` as it stands in the file.

    >>> iso(227_879)
    '2025-12-29T23:00:00Z'
    """
    return time_of(hour).strftime("%Y-%m-%dT%H:%M:%SZ")


class Ledger:
    """Writes the ledger of a run, hour by hour, and keeps its registers in memory.

    Parameters
    ----------
    path
        The file; None keeps the ledger in memory only.
    channels
        Names of the channels, in the order of the registers.
    continue_from
        Last hour of the run that is continued: rows up to it stay, later ones go, for those hours
        will be counted again. None begins a new file.

    Raises
    ------
    InputError
        If the file to continue is no ledger of these channels.
    """

    def __init__(
        self, path: Path | None, channels: Sequence[str], continue_from: int | None = None
    ) -> None:
        self.channels = tuple(channels)
        self.hours: dict[int, tuple[int, ...]] = {}
        self._file: TextIO | None = None
        if path is None:
            return
        if continue_from is not None and path.exists():
            self.hours = _by_hour(path, self.channels, continue_from)
        begun = path.with_name(f"{path.name}.new")
        with begun.open("w", encoding="utf-8") as file:
            file.write(",".join(HEADER) + "\n")
            for hour, registers in self.hours.items():
                file.write(self._text(hour, registers))
        begun.replace(path)
        self._file = path.open("a", encoding="utf-8")

    def record(self, hour: int, registers: Registers) -> None:
        """Add the registers of all channels at the beginning of `hour`."""
        self.hours[hour] = tuple(registers.tolist())
        if self._file:
            self._file.write(self._text(hour, self.hours[hour]))
            self._file.flush()

    @property
    def last_hour(self) -> int:
        """The newest hour, -1 when there is none."""
        return max(self.hours, default=-1)

    @property
    def readings(self) -> int:
        """How many rows there are."""
        return len(self.hours) * len(self.channels)

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _text(self, hour: int, registers: Sequence[int]) -> str:
        time = iso(hour)
        rows = zip(self.channels, registers, strict=True)
        return "".join(f"{channel},{time},{register}\n" for channel, register in rows)


def _by_hour(path: Path, channels: tuple[str, ...], last: int) -> dict[int, tuple[int, ...]]:
    by_hour: dict[int, dict[str, int]] = {}
    for (channel, hour), register in read(path).items():
        if hour <= last:
            by_hour.setdefault(hour, {})[channel] = register
    newest = max(by_hour, default=-1)
    if newest >= 0 and len(by_hour[newest]) < len(channels):
        del by_hour[newest]  # the writer was stopped within this hour
    for hour, registers in by_hour.items():
        if registers.keys() != set(channels):
            raise InputError(f"{path}: the channels at {iso(hour)} are not those of this town")
    return {hour: tuple(by_hour[hour][name] for name in channels) for hour in sorted(by_hour)}


def read(path: Path) -> dict[tuple[str, int], int]:
    """Return the registers in the ledger at `path` by channel and hour.

    A last line without its end is left out: the writer was stopped within it.

    Raises
    ------
    InputError
        Naming the line that is no row of a ledger.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {error}") from error
    if not lines or tuple(lines[0].split(",")) != HEADER:
        raise InputError(f"{path}: line 1: expected {','.join(HEADER)}")
    found: dict[tuple[str, int], int] = {}
    for number, line in enumerate(lines[1:], start=2):
        try:
            channel, time, register = line.split(",")
            found[channel, hour_of(datetime.fromisoformat(time))] = int(register)
        except (ValueError, TypeError) as error:
            raise InputError(f"{path}: line {number}: {error}") from error
    return found
