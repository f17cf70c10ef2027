"""Small files that outlive the process: replaced whole, and never trusted when read."""

import logging
import os
from pathlib import Path
from typing import TypeVar

import msgspec

from balans.core.errors import InputError
from balans.domain.demand.model import Limit
from balans.protocols import hub
from balans.usecases.run_load_control import Memory, limits_of

M = TypeVar("M")
log = logging.getLogger(__name__)


def replace_file(path: Path, data: bytes, *, durable: bool) -> None:
    """Let `path` hold `data`, whole or not at all; with `durable` also after a power cut."""
    draft = path.with_suffix(".tmp")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    try:
        os.write(fd, data)
        if durable:
            os.fsync(fd)
    finally:
        os.close(fd)
    draft.replace(path)


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

    def write(self, memory: Memory) -> None:
        """Keep `memory`; a disk that refuses is no reason to stop."""
        try:
            replace_file(self._path, msgspec.msgpack.encode(memory), durable=False)
        except OSError as error:
            log.warning("%s: not written: %s", self._path, error)


class LimitsFile:
    """The server's limits: they hold on when the server is away, and over a restart."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> tuple[Limit, ...]:
        """Return the limits kept, none where there is no usable file."""
        try:
            message = hub.decode(self._path.read_bytes())
            return limits_of(message.limits) if isinstance(message, hub.Limits) else ()
        except FileNotFoundError:
            return ()
        except (OSError, hub.HubFrameError, InputError) as error:
            log.warning("%s: not used: %s", self._path, error)
            return ()

    def write(self, limits: hub.Limits) -> None:
        """Keep `limits`; a disk that refuses is no reason not to obey them now."""
        try:
            replace_file(self._path, hub.encode(limits), durable=True)
        except OSError as error:
            log.warning("%s: not written: %s", self._path, error)
