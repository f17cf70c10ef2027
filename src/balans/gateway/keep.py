"""Small files that outlive the process: replaced whole, and never trusted when read."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
from typing_extensions import override

from balans.core.errors import InputError
from balans.domain.demand.model import Limit
from balans.gateway.files import replace_file
from balans.protocols import hub
from balans.usecases.run_load_control import (
    CalledMemory,
    Memory,
    OwnSettings,
    Past,
    limits_of,
)

M = TypeVar("M")
log = logging.getLogger(__name__)


class KeptFile(ABC, Generic[M]):
    """One small file with one thing in it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> M:
        """Return what was kept, or nothing of its kind where there is no usable file."""
        try:
            return self._decode(self._path.read_bytes())
        except FileNotFoundError:
            return self._nothing()
        except (
            OSError,
            hub.HubFrameError,
            InputError,
            msgspec.DecodeError,
            UnicodeDecodeError,
            RecursionError,
        ) as error:
            log.warning("%s: not used: %s", self._path, error)
            return self._nothing()

    def write(self, data: bytes) -> None:
        """Keep `data`, encoded content; a disk that refuses is no reason to stop."""
        try:
            replace_file(self._path, data)
        except OSError as error:
            log.warning("%s: not written: %s", self._path, error)

    @staticmethod
    @abstractmethod
    def encode(content: M) -> bytes:
        """Return `content` as it is now, to be written by another thread."""

    @abstractmethod
    def _decode(self, data: bytes) -> M: ...

    @abstractmethod
    def _nothing(self) -> M: ...


class MemoryFile(KeptFile[Memory]):
    """What load control remembers. Losing it costs fairness and forecasts, never safety."""

    _decoder = msgspec.msgpack.Decoder(Memory)

    @staticmethod
    @override
    def encode(content: Memory) -> bytes:
        return msgspec.msgpack.encode(content)

    @override
    def _decode(self, data: bytes) -> Memory:
        return self._decoder.decode(data)

    @override
    def _nothing(self) -> Memory:
        return Memory()


class PastFile(KeptFile[Past | None]):
    """What the planner remembers. Losing it costs plans until a day has been seen again."""

    _decoder = msgspec.msgpack.Decoder(Past)

    @staticmethod
    @override
    def encode(content: Past | None) -> bytes:
        return msgspec.msgpack.encode(content)

    @override
    def _decode(self, data: bytes) -> Past | None:
        return self._decoder.decode(data)

    @override
    def _nothing(self) -> Past | None:
        return None


class OwnFile(KeptFile[OwnSettings]):
    """What the consumer set at the gateway: limits, consent, pauses."""

    _decoder = msgspec.msgpack.Decoder(OwnSettings)

    @staticmethod
    @override
    def encode(content: OwnSettings) -> bytes:
        return msgspec.msgpack.encode(content)

    @override
    def _decode(self, data: bytes) -> OwnSettings:
        return self._decoder.decode(data)

    @override
    def _nothing(self) -> OwnSettings:
        return OwnSettings()


class LimitsFile(KeptFile[hub.Limits]):
    """The server's limits: they hold on when the server is away, and over a restart."""

    def limits(
        self, zones: Collection[str] | None = None, nodes: Collection[str] | None = None
    ) -> tuple[Limit, ...]:
        """Return the limits kept, none where they cannot be used; arguments as `limits_of`."""
        try:
            return limits_of(self.read().limits, zones, nodes)
        except InputError as error:
            log.warning("%s: not used: %s", self._path, error)
            return ()

    @staticmethod
    @override
    def encode(content: hub.Limits) -> bytes:
        return hub.encode(content)

    @override
    def _decode(self, data: bytes) -> hub.Limits:
        message = hub.decode(data)
        if not isinstance(message, hub.Limits):
            raise InputError(f"it holds a {type(message).__name__}")
        return message

    @override
    def _nothing(self) -> hub.Limits:
        return hub.Limits(0, ())


class ConsentsFile(KeptFile[hub.Consents]):
    """Consent and pauses by the server: they hold on when it is away, and over a restart."""

    @staticmethod
    @override
    def encode(content: hub.Consents) -> bytes:
        return hub.encode(content)

    @override
    def _decode(self, data: bytes) -> hub.Consents:
        message = hub.decode(data)
        if not isinstance(message, hub.Consents):
            raise InputError(f"it holds a {type(message).__name__}")
        return message

    @override
    def _nothing(self) -> hub.Consents:
        return hub.Consents(0, ())


class CalledFile(KeptFile[CalledMemory]):
    """What is known of the server's keys, groups and calls."""

    _decoder = msgspec.msgpack.Decoder(CalledMemory)

    @staticmethod
    @override
    def encode(content: CalledMemory) -> bytes:
        return msgspec.msgpack.encode(content)

    @override
    def _decode(self, data: bytes) -> CalledMemory:
        return self._decoder.decode(data)

    @override
    def _nothing(self) -> CalledMemory:
        return CalledMemory()


@dataclass(frozen=True, slots=True)
class Files:
    """What outlives the process."""

    memory: MemoryFile
    limits: LimitsFile
    consents: ConsentsFile
    own: OwnFile
    past: PastFile

    @classmethod
    def within(cls, folder: Path) -> "Files":
        """Return the files in `folder`."""
        return cls(
            MemoryFile(folder / "memory"),
            LimitsFile(folder / "limits"),
            ConsentsFile(folder / "consents"),
            OwnFile(folder / "own"),
            PastFile(folder / "past"),
        )
