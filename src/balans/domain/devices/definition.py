"""What a definition says: which messages a device sends, and where in them its counters stand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction

from balans.core.errors import BalansError
from balans.core.words import Resource
from balans.domain.devices.paths import Path


class DeviceError(BalansError):
    """A message from a device that cannot be used; the sentence names place and value."""

    code = "device_message"


class Format(StrEnum):
    """What the bytes of a message are."""

    JSON = "json"
    NUMBER = "number"  # a number and nothing else
    P1 = "p1"  # a telegram of a DSMR meter


class AfterReset(StrEnum):
    """What a counter shows after it went back.

    zero
        It began again at zero: what it shows has passed since, and is counted.
    unknown
        It is another counter, or was set: only what it counts from there on is known.
    """

    ZERO = "zero"
    UNKNOWN = "unknown"


PER_UNIT: Mapping[str, Fraction] = {
    "kWh": Fraction(1),
    "Wh": Fraction(1, 1000),
    "MWh": Fraction(1000),
    "MJ": Fraction(5, 18),
    "GJ": Fraction(2500, 9),
    "kvarh": Fraction(1),
    "varh": Fraction(1, 1000),
    "m3": Fraction(1),
    "l": Fraction(1, 1000),
}
"""Units a device may count in, as parts of the unit that the resource is shown in."""

UNITS: Mapping[Resource, tuple[str, ...]] = {
    Resource.ELECTRICITY: ("kWh", "Wh", "MWh"),
    Resource.REACTIVE: ("kvarh", "varh"),
    Resource.COLD_WATER: ("m3", "l"),
    Resource.HOT_WATER: ("m3", "l"),
    Resource.GAS: ("m3", "l"),
    Resource.HEAT: ("kWh", "Wh", "MWh", "MJ", "GJ"),
    Resource.FUEL: ("m3", "l"),
}


@dataclass(frozen=True, slots=True)
class Bytes:
    """A whole number inside bytes that are written as base64.

    start, size
        Its first byte, and how many [bytes].
    big_endian
        The most significant byte comes first.
    """

    start: int
    size: int
    big_endian: bool = True


@dataclass(frozen=True, slots=True)
class ChannelRule:
    """One counter of the device.

    at
        Where it stands in a message; several are added up.
    pulses_per_unit
        Steps of the register in one kWh or m³ (the unit of `resource`); for a counter of pulses
        (`unit` is ``pulse``) what a register counts is what the counter counts.
    time
        Where the time of this value stands, if not where that of the message does; a message
        without it does not tell the value.
    bytes
        The value at `at` is base64, and the counter a part of it.
    most_per_hour
        It cannot count faster [unit/h]; faster is a wrong value unless it stays.
    """

    name: str
    resource: Resource | None
    at: tuple[Path, ...]
    unit: str
    pulses_per_unit: Fraction = Fraction(1)
    time: Path | None = None
    bytes: Bytes | None = None
    most_per_hour: Fraction | None = None

    @property
    def pulses(self) -> Fraction:
        """Register steps of one `unit`."""
        return PER_UNIT.get(self.unit, Fraction(1)) * self.pulses_per_unit


@dataclass(frozen=True, slots=True)
class MessageRule:
    """One kind of message.

    topic
        MQTT topic with ``{device}`` and other names of parameters in it.
    where
        It is meant only if each of these places holds one of these values.
    needs
        It is meant only if it holds something at each of these places.
    within
        The part of the document that the paths of time and channels begin in.
    delta
        It holds only what has changed since the message before.
    time
        Where the time of its values stands [Unix seconds, or ISO 8601]; where it does not tell,
        they are of now.
    left_out_zero
        Places that the sender leaves out where they are zero, or false, or empty.
    channels
        Names of the channels it may hold; empty: all of them.
    """

    topic: str
    format: Format
    where: tuple[tuple[Path, tuple[object, ...]], ...] = ()
    needs: tuple[Path, ...] = ()
    within: Path = field(default_factory=Path)
    delta: bool = False
    time: Path | None = None
    left_out_zero: tuple[Path, ...] = ()
    channels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """A recorded message: when it came [Unix s], on which topic, and what it was.

    ignored
        It tells no counter, and has to change nothing.
    """

    at_s: float
    topic: str
    payload: bytes
    ignored: bool = False


@dataclass(frozen=True, slots=True)
class Expected:
    """What must come out of the samples: the register of a channel at a full hour."""

    channel: str
    hour: int
    register: int
    quality: str


@dataclass(frozen=True, slots=True)
class Definition:
    """All that is to know about a kind of device.

    source
        Where its messages are described, and where the samples are from.
    max_gap_s
        Two values further apart than this say nothing about an hour between them [s].
    measured_gap_s
        Up to this long between them a register at the hour counts as measured, beyond it as
        estimated [s].
    example
        The parameters that the samples were recorded with.
    """

    name: str
    title: str
    source: str
    max_gap_s: float
    measured_gap_s: float
    after_reset: AfterReset
    messages: tuple[MessageRule, ...]
    channels: tuple[ChannelRule, ...]
    example: Mapping[str, str] = field(default_factory=dict)
    samples: tuple[Sample, ...] = ()
    expected: tuple[Expected, ...] = ()

    def channel(self, name: str) -> ChannelRule:
        """Return the channel called `name`.

        Raises
        ------
        KeyError
            If there is none.
        """
        return {rule.name: rule for rule in self.channels}[name]
