"""What outlives the process: where counters stand, and readings not in the journal yet."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import msgspec
from typing_extensions import override

from balans.core.errors import InputError
from balans.domain.devices import Device
from balans.domain.devices.counter import Point, State
from balans.gateway.files import replace_file
from balans.gateway.keep import KeptFile


class KeptPoint(msgspec.Struct, frozen=True, array_like=True):
    """A value of a counter; exact numbers are kept as texts such as ``7/3``."""

    time_s: float
    value: str


class KeptCounter(msgspec.Struct, frozen=True, array_like=True):
    """The state of a counter; `pulses` is the weight that its numbers were made with."""

    pulses: str
    base: str
    last: KeptPoint | None
    held: KeptPoint | None
    done: int
    doubt: int


class Kept(msgspec.Struct, frozen=True):
    """By device and channel; `unsaved` are packed readings that may not be in the journal."""

    counters: dict[str, dict[str, KeptCounter]] = {}
    unsaved: bytes = b""


class CountersFile(KeptFile[Kept]):
    """Where the counters stand. Losing it costs the hour in which it was lost."""

    _decoder = msgspec.msgpack.Decoder(Kept)

    @staticmethod
    @override
    def encode(content: Kept) -> bytes:
        return msgspec.msgpack.encode(content)

    def save(self, data: bytes) -> None:
        """Keep `data`.

        Raises
        ------
        OSError
            If the disk refuses.
        """
        replace_file(self._path, data)

    @override
    def _decode(self, data: bytes) -> Kept:
        return self._decoder.decode(data)

    @override
    def _nothing(self) -> Kept:
        return Kept()


class HoursFile(KeptFile[bytes]):
    """Packed readings of the last hours, to be told again. Losing it costs only that."""

    @staticmethod
    @override
    def encode(content: bytes) -> bytes:
        return content

    @override
    def _decode(self, data: bytes) -> bytes:
        return data

    @override
    def _nothing(self) -> bytes:
        return b""


def files_in(folder: Path) -> tuple[CountersFile, HoursFile]:
    """Return both files of the devices of a site."""
    return CountersFile(folder / "devices"), HoursFile(folder / "device-hours")


def kept_of(devices: Mapping[str, Device], unsaved: bytes) -> Kept:
    """Return what is to be kept."""
    return Kept(
        {
            name: {
                channel: KeptCounter(
                    str(device.definition.channel(channel).pulses),
                    str(state.base),
                    _kept(state.last),
                    _kept(state.held),
                    state.done,
                    state.doubt,
                )
                for channel, state in device.state.items()
            }
            for name, device in devices.items()
        },
        unsaved,
    )


def restore(devices: Mapping[str, Device], kept: Kept) -> None:
    """Let `devices` go on where they were; a counter of another weight begins anew.

    Raises
    ------
    InputError
        If what was kept makes no sense; then no device has changed.
    """
    states = {
        name: _states(device, kept.counters.get(name, {})) for name, device in devices.items()
    }
    for name, device in devices.items():
        device.restore(states[name])


def _states(device: Device, kept: Mapping[str, KeptCounter]) -> dict[str, State]:
    return {
        channel: State(_fraction(one.base), _point(one.last), _point(one.held), one.done, one.doubt)
        for channel, one in kept.items()
        if channel in device.channels
        and one.pulses == str(device.definition.channel(channel).pulses)
    }


def _kept(point: Point | None) -> KeptPoint | None:
    return None if point is None else KeptPoint(point.time_s, str(point.value))


def _point(kept: KeptPoint | None) -> Point | None:
    return None if kept is None else Point(kept.time_s, _fraction(kept.value))


def _fraction(text: str) -> Fraction:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise InputError(f"{text[:40]!r} is no number") from error
