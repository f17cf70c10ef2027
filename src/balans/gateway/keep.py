"""Small files that outlive the process: replaced whole, and never trusted when read."""

import logging
from collections.abc import Collection
from pathlib import Path
from typing import TypeVar

import msgspec

from balans.core.errors import InputError
from balans.domain.demand.model import Limit
from balans.gateway.files import replace_file
from balans.protocols import hub
from balans.usecases.run_load_control import Memory, limits_of

M = TypeVar("M")
log = logging.getLogger(__name__)


class MemoryFile:
    """What load control remembers. Losing it costs fairness and forecasts, never safety."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._decoder = msgspec.msgpack.Decoder(Memory)

    def read(self) -> Memory:
        """Return what was remembered, or nothing where there is no usable file."""
        try:
            return self._decoder.decode(self._path.read_bytes())
        except FileNotFoundError:
            return Memory()
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            log.warning("%s: not used: %s", self._path, error)
            return Memory()

    @staticmethod
    def encode(memory: Memory) -> bytes:
        """Return `memory` as it is now, to be written by another thread."""
        return msgspec.msgpack.encode(memory)

    def write(self, data: bytes) -> None:
        """Keep `data`, an encoded memory; a disk that refuses is no reason to stop."""
        try:
            replace_file(self._path, data)
        except OSError as error:
            log.warning("%s: not written: %s", self._path, error)


class LimitsFile:
    """The server's limits: they hold on when the server is away, and over a restart."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, zones: Collection[str] | None = None) -> tuple[Limit, ...]:
        """Return the limits kept, none where there is no usable file; `zones` as `limits_of`."""
        try:
            message = hub.decode(self._path.read_bytes())
            return limits_of(message.limits, zones) if isinstance(message, hub.Limits) else ()
        except FileNotFoundError:
            return ()
        except (OSError, hub.HubFrameError, InputError) as error:
            log.warning("%s: not used: %s", self._path, error)
            return ()

    def write(self, limits: hub.Limits) -> None:
        """Keep `limits`; a disk that refuses is no reason not to obey them now."""
        try:
            replace_file(self._path, hub.encode(limits))
        except OSError as error:
            log.warning("%s: not written: %s", self._path, error)
