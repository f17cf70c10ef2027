"""One device of a site: takes its messages, gives readings of the module that stands for it."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from balans.core.errors import InputError
from balans.core.hours import HOUR_S
from balans.domain.devices.counter import Counter, Limits, Point, State
from balans.domain.devices.definition import (
    ChannelRule,
    Definition,
    DeviceError,
    Format,
    MessageRule,
)
from balans.domain.devices.paths import ABSENT, Document, Path
from balans.domain.devices.payload import Decoder, count_of, decode, time_of
from balans.protocols.readings import INPUT_MAX, Reading

FUTURE_S = 60.0
"""A device whose clock is further ahead than this is not believed [s]."""
NAME_OF = re.compile(r"\{([a-z_]{1,32})\}")
PARAMETER = re.compile(r"[A-Za-z0-9_.:/ -]{1,100}")


class Outcome(StrEnum):
    """What became of a message."""

    USED = "used"  # it held a value of a counter
    OTHER = "other"  # the device says many things; this is none of those that are meant
    REFUSED = "refused"  # it makes no sense, and has changed nothing


@dataclass(frozen=True, slots=True)
class Taken:
    """What a message has brought."""

    outcome: Outcome
    readings: tuple[Reading, ...] = ()
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Value:
    channel: str
    time_s: float
    pulses: Fraction


def filled(text: str, parameters: Mapping[str, str]) -> str:
    """Return `text` with its ``{names}`` replaced.

    Raises
    ------
    InputError
        Naming the parameter that is missing.

    >>> filled("tele/{device}/SENSOR", {"device": "boiler"})
    'tele/boiler/SENSOR'
    """
    for name in NAME_OF.findall(text):
        if name not in parameters:
            raise InputError(f"{text!r} needs a value for {name}")
    return NAME_OF.sub(lambda match: parameters[match[1]], text)


def names_in(definition: Definition) -> list[str]:
    """Return the names of the parameters that `definition` needs, in the order of their use."""
    texts = [rule.topic for rule in definition.messages]
    texts += [str(path) for channel in definition.channels for path in channel.at]
    return list(dict.fromkeys(name for text in texts for name in NAME_OF.findall(text)))


def matches(pattern: str, topic: str) -> bool:
    """Tell whether MQTT's topic filter `pattern` takes `topic`.

    >>> matches("application/+/device/a/event/up", "application/7/device/a/event/up")
    True
    """
    ours, theirs = pattern.split("/"), topic.split("/")
    return len(ours) == len(theirs) and all(
        mine in {"+", its} for mine, its in zip(ours, theirs, strict=True)
    )


class Device:
    """One device, and the virtual module that stands for it.

    Parameters
    ----------
    definition
        What kind of device it is.
    parameters
        Values for the names in braces of the definition.
    serial
        Serial number of the virtual module; with more than three channels the next ones are
        its, too.
    channels
        Names of the channels in the order of the inputs; empty: all of the definition.
    decoders
        Of formats that are not built in.

    Raises
    ------
    InputError
        Naming the channel or the parameter that is wrong.
    """

    def __init__(
        self,
        definition: Definition,
        parameters: Mapping[str, str],
        serial: int,
        channels: Sequence[str] = (),
        decoders: Mapping[Format, Decoder] | None = None,
    ) -> None:
        self.definition = definition
        self.serial = serial
        self._decoders = decoders or {}
        for name, value in parameters.items():
            if not PARAMETER.fullmatch(value):
                raise InputError(f"{name} = {value!r}: 1 to 100 of A-Z a-z 0-9 _ . : / - and blank")
        known = {rule.name: rule for rule in definition.channels}
        for name in channels:
            if name not in known:
                raise InputError(f"channel {name!r}: {definition.name} has {', '.join(known)}")
        self.channels = tuple(channels) or tuple(known)
        self._rules = {name: _with(known[name], parameters) for name in self.channels}
        self._topics = [(filled(rule.topic, parameters), rule) for rule in definition.messages]
        self._counters = {name: Counter(self._limits(name)) for name in self.channels}
        self._known: dict[str, dict[Path, Fraction]] = {name: {} for name in self.channels}

    @property
    def topics(self) -> list[str]:
        """MQTT topic filters of its messages."""
        return list(dict.fromkeys(topic for topic, _ in self._topics))

    def means(self, topic: str) -> bool:
        """Tell whether the device speaks on `topic`."""
        return any(matches(pattern, topic) for pattern, _ in self._topics)

    @property
    def serials(self) -> range:
        """Serial numbers of the modules that stand for it."""
        return range(self.serial, self.serial + math.ceil(len(self.channels) / INPUT_MAX))

    @property
    def state(self) -> dict[str, State]:
        """What its counters remember, by channel."""
        return {name: counter.state for name, counter in self._counters.items()}

    def restore(self, state: Mapping[str, State]) -> None:
        """Go on where `state` was left; channels that it does not know begin anew."""
        for name in self.channels:
            self._counters[name] = Counter(self._limits(name), state.get(name))

    def has(self, serial: int, input_: int) -> bool:
        """Tell whether one of its counters is this input."""
        return 1 <= input_ <= INPUT_MAX and 0 <= self._index(serial, input_) < len(self.channels)

    def register(self, serial: int, input_: int) -> Point | None:
        """Return the newest register [pulses] of an input that it has, and its time.

        Returns
        -------
        None if it has not told any yet.
        """
        return self._counters[self.channels[self._index(serial, input_)]].register

    def take(self, topic: str, payload: bytes, now_s: float, *, kept: bool = False) -> Taken:
        """Take a message that came on `topic` at `now_s` [Unix s].

        Parameters
        ----------
        kept
            The broker had kept it from before: it is old, and without a time of its own useless.
        """
        refused: list[str] = []
        outcome = Outcome.OTHER
        for rule in [rule for pattern, rule in self._topics if matches(pattern, topic)]:
            try:
                values = self._values(rule, payload, now_s, kept=kept)
            except DeviceError as error:
                refused.append(str(error))
                continue
            if values:
                return self._observe(values, now_s)
        return Taken(Outcome.REFUSED if refused else outcome, (), tuple(refused))

    def _values(
        self, rule: MessageRule, payload: bytes, now_s: float, *, kept: bool
    ) -> list[_Value]:
        """Return what a message tells; nothing if it is not meant.

        Raises
        ------
        DeviceError
            If it makes no sense; then nothing has changed.
        """
        document = decode(payload, rule.format, self._decoders)
        if not _is_meant(document, rule):
            return []
        inner = rule.within.find(document)
        names = [name for name in rule.channels or self.channels if name in self._rules]
        found = {name: self._found(rule, name, inner) for name in names}
        if not any(found.values()):
            if rule.delta:
                return []
            raise DeviceError(f"it holds none of {', '.join(_places(self._rules, names))}")
        times = {
            name: self._time(rule, self._rules[name], inner, now_s, kept=kept) for name in found
        }
        values = []
        for name, parts in found.items():
            known = self._overlaid(rule, name, parts)
            time_s = times[name]
            if parts and len(known) == len(self._rules[name].at) and time_s is not None:
                values.append(_Value(name, time_s, sum(known.values(), Fraction(0))))
        for name, parts in found.items():
            known, time_s = self._overlaid(rule, name, parts), times[name]
            newest_s = self._counters[name].newest_s
            late = kept if time_s is None else time_s <= newest_s
            self._known[name] = {**known, **self._known[name]} if late else known
        return values

    def _found(
        self, rule: MessageRule, name: str, document: Document
    ) -> dict[Path, Fraction | None]:
        """Return the counts [pulses] a message holds for a channel; None: it has vanished."""
        channel = self._rules[name]
        parts: dict[Path, Fraction | None] = {}
        for path in channel.at:
            value = path.find(document)
            if value is ABSENT and path in rule.left_out_zero:
                value = 0
            if value is None:
                parts[path] = None
            elif value is not ABSENT:
                parts[path] = count_of(value, str(path), channel.bytes) * channel.pulses
        return parts

    def _overlaid(
        self, rule: MessageRule, name: str, parts: Mapping[Path, Fraction | None]
    ) -> dict[Path, Fraction]:
        old: Mapping[Path, Fraction | None] = self._known[name] if rule.delta else {}
        return {path: value for path, value in {**old, **parts}.items() if value is not None}

    @staticmethod
    def _time(
        rule: MessageRule, channel: ChannelRule, document: Document, now_s: float, *, kept: bool
    ) -> float | None:
        """Return the time of a value [Unix s]; None if it cannot be known."""
        place = channel.time or rule.time
        told = ABSENT if place is None else place.find(document)
        if told is ABSENT or told is None:
            return None if kept or channel.time is not None else now_s
        time_s = time_of(told, str(place))
        if time_s > now_s + FUTURE_S:
            raise DeviceError(
                f"{place}: {time_s - now_s:.0f} s ahead of this clock; "
                f"at most {FUTURE_S:g} s are believed"
            )
        return time_s

    def _observe(self, values: Iterable[_Value], now_s: float) -> Taken:
        readings: list[Reading] = []
        findings: list[str] = []
        for value in values:
            counter = self._counters[value.channel]
            if counter.newest_s > now_s + FUTURE_S:
                counter.clock_was_ahead(now_s)
                findings.append(f"{value.channel}: the clock was set back")
            seen = counter.observe(value.time_s, value.pulses)
            serial, input_ = self._input(value.channel)
            readings += [
                Reading(serial, input_, one.hour, one.register, one.flags, one.grade)
                for one in seen.hourly
            ]
            findings += [f"{value.channel}: {finding}" for finding in seen.findings]
        return Taken(Outcome.USED, tuple(readings), tuple(findings))

    def _index(self, serial: int, input_: int) -> int:
        return (serial - self.serial) * INPUT_MAX + input_ - 1

    def _input(self, channel: str) -> tuple[int, int]:
        index = self.channels.index(channel)
        return self.serial + index // INPUT_MAX, index % INPUT_MAX + 1

    def _limits(self, name: str) -> Limits:
        own, rule = self.definition, self._rules[name]
        most = rule.most_per_hour
        return Limits(
            own.max_gap_s,
            own.measured_gap_s,
            own.after_reset,
            None if most is None else most * rule.pulses_per_unit / HOUR_S,
        )


def _with(rule: ChannelRule, parameters: Mapping[str, str]) -> ChannelRule:
    """Return `rule` with the names in braces of its paths replaced."""
    at = tuple(
        Path(tuple(filled(s, parameters) if isinstance(s, str) else s for s in path.steps))
        for path in rule.at
    )
    return replace(rule, at=at)


def _is_meant(document: Document, rule: MessageRule) -> bool:
    there = all(place.find(document) not in (ABSENT, None) for place in rule.needs)
    return there and all(_holds(document, place, wanted, rule) for place, wanted in rule.where)


def _holds(document: Document, place: Path, wanted: tuple[object, ...], rule: MessageRule) -> bool:
    value = place.find(document)
    if value is ABSENT and place in rule.left_out_zero:
        return any(one in {0, ""} for one in wanted)
    return any(_same(value, one) for one in wanted)


def _same(value: Document, wanted: object) -> bool:
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    if isinstance(value, (int, Decimal, str)):
        return value == wanted
    return False


def _places(rules: Mapping[str, ChannelRule], names: Iterable[str]) -> list[str]:
    return [str(path) for name in names for path in rules[name].at]
