"""Read a device definition: a TOML file with messages, channels, samples and what they give."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

from balans.core.errors import InputError
from balans.core.hours import HOUR_S, hour_of
from balans.core.text import printable
from balans.core.words import UNIT, Resource
from balans.domain.devices import (
    AfterReset,
    ChannelRule,
    Definition,
    Format,
    MessageRule,
    Sample,
)
from balans.domain.devices.definition import UNITS, Bytes, Expected
from balans.domain.devices.device import names_in
from balans.domain.devices.paths import Path, parse_path
from balans.domain.metering.words import Quality
from balans.usecases.toml_table import TomlTable, one_table, parse_toml, sub_tables

LONGEST_GAP_S = 7 * 86_400.0
MEASURED_GAP_S = 300.0
PULSE = "pulse"
_TOPIC = re.compile(r"[^#\x00]{1,200}")
_PLACEHOLDER = re.compile(r"[a-z_]{1,32}")
_GRADES = (Quality.MEASURED, Quality.ESTIMATED, Quality.SUSPECT)


def parse_definition(text: str, file: str, name: str) -> Definition:
    """Return the definition in `text`, the content of `file`.

    Raises
    ------
    InputError
        Naming file, table, field and value.
    """
    root = parse_toml(text, file)
    channels = tuple(_channel(row) for row in sub_tables(root, "channel"))
    if not channels:
        raise root.fail("channel", "at least one table [[channel]]")
    names = [channel.name for channel in channels]
    for double in {one for one in names if names.count(one) > 1}:
        raise InputError(f"{file}: channel {double!r} is there twice")
    messages = tuple(_message(row, names) for row in sub_tables(root, "message"))
    if not messages:
        raise root.fail("message", "at least one table [[message]]")
    max_gap_s = root.number("max_gap_s", 1, LONGEST_GAP_S)
    definition = Definition(
        name=name,
        title=root.text("title", "a line that says what device it is"),
        source=root.text("source", "where its messages are described"),
        max_gap_s=max_gap_s,
        measured_gap_s=root.number("measured_gap_s", 0, max_gap_s, min(MEASURED_GAP_S, max_gap_s)),
        after_reset=AfterReset(root.choice("after_reset", AfterReset)),
        messages=messages,
        channels=channels,
        example=_example(root),
        samples=tuple(_sample(row) for row in sub_tables(root, "sample")),
        expected=tuple(_expected(row, names) for row in sub_tables(root, "expected")),
    )
    root.finish()
    _check_names(definition, file)
    return definition


def _check_names(definition: Definition, file: str) -> None:
    for name in names_in(definition):
        if definition.samples and name not in definition.example:
            raise InputError(
                f"{file}: example.{name} is missing: expected the value of {{{name}}} "
                "in the samples"
            )


def _message(row: TomlTable, channels: list[str]) -> MessageRule:
    rule = MessageRule(
        topic=_topic(row),
        format=Format(row.choice("format", Format)),
        where=_where(row),
        needs=tuple(_paths(row, "needs")),
        within=_path(row, "within") or Path(),
        delta=row.flag("delta", default=False),
        time=_path(row, "time"),
        left_out_zero=tuple(_paths(row, "left_out_zero")),
        channels=tuple(_texts(row, "channels", "a list of names of channels")),
    )
    for name in rule.channels:
        if name not in channels:
            raise row.fail("channels", "names of channels: " + ", ".join(channels))
    row.finish()
    return rule


def _topic(row: TomlTable) -> str:
    expected = "a topic such as tele/{device}/SENSOR"
    topic = row.text("topic", expected)
    if not _TOPIC.fullmatch(topic) or any(len(p) > 1 and "+" in p for p in topic.split("/")):
        raise row.fail("topic", expected + "; + stands for one level, # is not possible")
    return topic


def _where(row: TomlTable) -> tuple[tuple[Path, tuple[object, ...]], ...]:
    if not row.has("where"):
        return ()
    table = row.values["where"]
    expected = 'a table such as { method = "NotifyStatus" } or { fPort = [2, 3] }'
    if not isinstance(table, dict):
        raise row.fail("where", expected)
    conditions = []
    for place, wanted in table.items():
        options = wanted if isinstance(wanted, list) else [wanted]
        if not options or not all(isinstance(one, (str, int, bool)) for one in options):
            raise row.fail("where", expected)
        conditions.append((_parsed(row, "where", place), tuple(options)))
    return tuple(conditions)


def _channel(row: TomlTable) -> ChannelRule:
    name = row.name()
    unit, resource = _unit(row)
    per_unit = Fraction(1)
    if unit != PULSE:
        per_unit = _fraction(row, "pulses_per_unit", 1e6)
    rule = ChannelRule(
        name=name,
        resource=resource,
        at=tuple(_paths(row, "at")) or (Path(),),
        unit=unit,
        pulses_per_unit=per_unit,
        time=_path(row, "time"),
        bytes=_bytes(row),
        most_per_hour=_fraction(row, "most_per_hour", 1e9) if row.has("most_per_hour") else None,
    )
    row.finish()
    return rule


def _unit(row: TomlTable) -> tuple[str, Resource | None]:
    resource = Resource(row.choice("resource", Resource)) if row.has("resource") else None
    units = (*(UNITS[resource] if resource else ()), PULSE)
    unit = row.choice("unit", units)
    if resource is None and unit != PULSE:  # pragma: no cover  (choice has refused it)
        raise row.fail("resource", "one of " + ", ".join(Resource))
    return unit, resource


def _fraction(row: TomlTable, key: str, high: float) -> Fraction:
    return Fraction(Decimal(str(row.number(key, 1e-6, high))))


def _bytes(row: TomlTable) -> Bytes | None:
    if not row.has("bytes"):
        return None
    part = one_table(row, "bytes")
    part.place = f"{row.place}.bytes"
    found = Bytes(
        start=_whole(part, "start", 0, 255),
        size=_whole(part, "size", 1, 8),
        big_endian=part.choice("order", ("big", "little")) == "big",
    )
    part.finish()
    return found


def _whole(row: TomlTable, key: str, low: int, high: int) -> int:
    number = row.number(key, low, high)
    if number != int(number):
        raise row.fail(key, f"a whole number from {low} to {high}")
    return int(number)


def _example(root: TomlTable) -> Mapping[str, str]:
    if not root.has("example"):
        return {}
    return parameters_of(one_table(root, "example"))


def parameters_of(table: TomlTable) -> dict[str, str]:
    """Return the values of a table in which any name of a parameter may stand.

    Raises
    ------
    InputError
        Naming the field that is no text.
    """
    found = {key: table.text(key) for key in table.values}
    for key in found:
        if not _PLACEHOLDER.fullmatch(key):
            raise table.fail(key, "a name of a parameter: 1 to 32 of a-z _")
    return found


def _sample(row: TomlTable) -> Sample:
    sample = Sample(
        at_s=_time(row, "at").timestamp(),
        topic=row.text("topic"),
        payload=row.text("payload", "what the device sent").encode(),
        ignored=row.flag("ignored", default=False),
    )
    row.finish()
    return sample


def _expected(row: TomlTable, channels: list[str]) -> Expected:
    time = _time(row, "time")
    if time.timestamp() % HOUR_S:
        raise row.fail("time", "a full hour")
    expected = Expected(
        channel=row.choice("channel", channels),
        hour=hour_of(time),
        register=_whole(row, "register", 0, 2**31 - 1),
        quality=row.choice("quality", _GRADES, Quality.MEASURED),
    )
    row.finish()
    return expected


def _time(row: TomlTable, key: str) -> datetime:
    row.has(key)
    value = row.values.get(key)
    expected = "a time with an offset, such as 2026-01-12T10:00:00Z"
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise row.fail(key, expected) from None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise row.fail(key, expected)
    try:
        time = value.astimezone(UTC)
    except OverflowError:
        raise row.fail(key, expected) from None
    if not 2000 <= time.year < 2100:
        raise row.fail(key, "a time from 2000 to 2099")
    return time


def _path(row: TomlTable, key: str) -> Path | None:
    if not row.has(key):
        return None
    return _parsed(row, key, row.text(key, "a path such as ENERGY.Total"))


def _paths(row: TomlTable, key: str) -> list[Path]:
    if not row.has(key):
        return []
    if isinstance(row.values[key], str):
        return [_parsed(row, key, row.values[key])]
    return [_parsed(row, key, text) for text in _texts(row, key, "a path, or a list of paths")]


def _texts(row: TomlTable, key: str, expected: str) -> list[str]:
    if not row.has(key):
        return []
    texts = row.values[key]
    if not (isinstance(texts, list) and texts and all(isinstance(one, str) for one in texts)):
        raise row.fail(key, expected)
    return texts


def _parsed(row: TomlTable, key: str, text: str) -> Path:
    try:
        return parse_path(text)
    except InputError as error:
        raise InputError(f"{row.file}: {row.place}.{key}: {error}") from None


def unit_of(channel: ChannelRule) -> str:
    """Return what a pulse of `channel` is, to be registered with the meter.

    >>> unit_of(ChannelRule("import", Resource.ELECTRICITY, (), "Wh", Fraction(1000)))
    '1000/kWh'
    """
    if channel.resource is None or channel.unit == PULSE:
        return "as the device counts"
    return f"{channel.pulses_per_unit}/{UNIT[channel.resource]}"


def sample_table(at: datetime, topic: str, payload: bytes) -> str:
    """Return a message as a table ``[[sample]]`` of a definition.

    Bytes that are no text become a comment: no definition can use them.
    """
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return f"# {_quoted(topic)}: {len(payload)} bytes that are no text\n"
    lines = text.replace("\r\n", "\n").strip("\n")
    time = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    shown = _quoted(lines)
    if "\n" in lines and "''" not in lines and printable(lines) == lines:
        shown = f"'''\n{lines}\n'''"
    return f"[[sample]]\nat = {time}\ntopic = {_quoted(topic)}\npayload = {shown}\n"


def _quoted(text: str) -> str:
    if "'" not in text and "\n" not in text and printable(text) == text:
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
