"""Definitions as data: those that come with the product keep their promises, wrong ones say why."""

import contextlib
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balans.adapters.devices import DECODERS, built_in, definition_at, names
from balans.core.errors import InputError
from balans.domain.devices import Definition, Device, Outcome
from balans.gateway.config import parse_config
from balans.usecases.check_device import check_definition
from balans.usecases.device_definition import parse_definition, sample_table

HOW_TO = Path(__file__).parents[3] / "docs/how-to/add-a-device.md"
GOOD = """
title = "A plug"
source = "its maker"
max_gap_s = 900
after_reset = "zero"

[[message]]
topic = "plugs/{device}"
format = "json"

[[channel]]
name = "import"
resource = "electricity"
at = "energy"
unit = "kWh"
pulses_per_unit = 1000

[example]
device = "one"

[[sample]]
at = 2026-01-12T11:00:00Z
topic = "plugs/one"
payload = '{"energy": 1.5}'

[[expected]]
channel = "import"
time = 2026-01-12T11:00:00Z
register = 1500
"""


def parsed(text: str = GOOD) -> Definition:
    return parse_definition(text, "plug.toml", "plug")


@pytest.mark.parametrize("name", names())
def test_what_comes_with_the_product_gives_what_it_promises(name: str) -> None:
    definition = definition_at(name, Path())
    assert [str(finding) for finding in check_definition(definition, DECODERS)] == []
    assert definition.samples
    assert definition.expected
    assert all(rule.most_per_hour is not None for rule in definition.channels)


@pytest.mark.parametrize("name", names())
@settings(deadline=None)  # the first telegram loads its parser
@given(data=st.data())
def test_spoilt_samples_of_any_device_change_nothing(name: str, data: st.DataObject) -> None:
    definition = definition_at(name, Path())
    device = Device(definition, definition.example, 1, decoders=DECODERS)
    before = str(device.state)
    sample = data.draw(st.sampled_from(definition.samples))
    cut = data.draw(st.integers(0, len(sample.payload) - 1))
    noise = data.draw(st.binary(max_size=8))
    for payload in (noise, sample.payload[:cut] + b"\x00" + sample.payload[cut:]):
        taken = device.take(sample.topic, payload, sample.at_s)
        if taken.outcome is not Outcome.USED:
            assert str(device.state) == before
            assert not taken.readings
        else:  # white space around a number is a number
            assert payload.strip().replace(b".", b"").isdigit()
            return


def test_samples_are_checked_against_what_is_expected() -> None:
    assert check_definition(parsed(), {}) == []
    for old, new, what in [
        ("register = 1500", "register = 1501", "1500 measured came out; expected 1501 measured"),
        ('"energy": 1.5', '"power": 1', "it holds none of energy"),
        ('topic = "plugs/one"', 'topic = "plugs/two"', "no [[message]] means it (topic plugs/two)"),
        ("[[expected]]", "ignored = true\n\n[[expected]]", "though it is ignored"),
        ("time = 2026-01-12T11:00:00Z", "time = 2026-01-12T12:00:00Z", "which is not expected"),
    ]:
        assert old in GOOD
        told = "\n".join(str(one) for one in check_definition(parsed(GOOD.replace(old, new)), {}))
        assert what in told
    start = GOOD.index("[[sample]]")
    assert "no [[sample]]" in str(check_definition(parsed(GOOD[:start]), {})[0])
    start = GOOD.index("[[expected]]")
    assert "no [[expected]]" in str(check_definition(parsed(GOOD[:start]), {})[-1])


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("title", "titel", "title is missing"),
        ("max_gap_s = 900", "", "max_gap_s is missing"),
        ("max_gap_s = 900", "max_gap_s = 0", "max_gap_s = 0: expected a number from 1"),
        ('"zero"', '"maybe"', "after_reset = 'maybe': expected one of zero, unknown"),
        ('"json"', '"xml"', "message[0].format = 'xml': expected one of json, number, p1"),
        ("plugs/{device}", "plugs/#", "message[0].topic"),
        ("plugs/{device}", "plugs/a+", "message[0].topic"),
        ('"energy"', '"energy."', "channel[0].at: path 'energy.', character 8"),
        ('"energy"', "[]", "channel[0].at"),
        ('"energy"', "7", "channel[0].at"),
        ('"kWh"', '"m3"', "channel[0].unit = 'm3': expected one of kWh, Wh, MWh, pulse"),
        ('resource = "electricity"', "", "channel[0].unit = 'kWh': expected one of pulse"),
        ("pulses_per_unit = 1000", "", "pulses_per_unit is missing"),
        ("pulses_per_unit = 1000", "pulses_per_unit = 0", "pulses_per_unit = 0"),
        ("pulses_per_unit = 1000", "bytes = { start = 1 }", "channel[0]"),
        ("[example]\ndevice", "[example]\ndevise", "example.device is missing"),
        ("[example]\ndevice", "[example]\nDEVICE", "example.DEVICE"),
        ('[[channel]]\nname = "import"', '[[channel]]\nname = "a b"', "channel[0].name"),
        ("[[channel]]", "[[kanal]]", "channel is missing"),
        ("[[message]]", "[[messages]]", "message is missing"),
        ('channel = "import"', 'channel = "export"', "expected[0].channel = 'export'"),
        ("time = 2026-01-12T11:00:00Z", "time = 2026-01-12T11:00:01Z", "a full hour"),
        ("time = 2026-01-12T11:00:00Z", "time = 2026-01-12T11:00:00", "with an offset"),
        ("time = 2026-01-12T11:00:00Z", 'time = "0001-01-01T00:00:00+14:00"', "expected[0].time"),
        ("register = 1500", "register = 1.5", "a whole number"),
        ("register = 1500", "register = 1500\nquality = 'good'", "quality = 'good'"),
        ("max_gap_s", "surprise = 1\nmax_gap_s", "surprise is not known here"),
        ('format = "json"', 'format = "json"\nwhere = 1', "message[0].where"),
        ('format = "json"', 'format = "json"\nwhere = {a = 1.5}', "message[0].where"),
        ('format = "json"', 'format = "json"\nwhere = {"a..b" = 1}', "message[0].where: path"),
        ('format = "json"', 'format = "json"\nchannels = ["export"]', "message[0].channels"),
    ],
)
def test_a_wrong_definition_says_where(old: str, new: str, complaint: str) -> None:
    assert old in GOOD
    with pytest.raises(InputError) as told:
        parsed(GOOD.replace(old, new, 1))
    assert str(told.value).startswith("plug.toml: ")
    assert complaint in str(told.value)


def test_the_reference_lists_what_comes_with_the_product() -> None:
    text = (HOW_TO.parents[1] / "reference/devices.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([a-z0-9-]+)` \|.*\| ([^|]+) \|$", text, re.MULTILINE))
    for name in names():
        channels = [rule.name for rule in definition_at(name, Path()).channels]
        assert rows[name] == ", ".join(channels)


def test_a_channel_twice_is_refused() -> None:
    twice = GOOD[GOOD.index("[[channel]]") : GOOD.index("[example]")]
    with pytest.raises(InputError, match="channel 'import' is there twice"):
        parsed(GOOD + twice)


def test_a_definition_is_found_by_name_or_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "plug.toml").write_text(GOOD)
    assert definition_at("plug.toml", tmp_path).name == "plug"
    assert "Tasmota" in built_in("tasmota")
    for wrong in ("nothing", "../tasmota", "nothing.toml"):
        with pytest.raises(InputError, match=r"nothing|tasmota"):
            definition_at(wrong, tmp_path)
    (tmp_path / "bytes.toml").write_bytes(b"\xff")
    with pytest.raises(InputError, match="not UTF-8 at byte 0"):
        definition_at("bytes.toml", tmp_path)


def test_the_how_to_works_as_it_is_written(tmp_path: Path) -> None:
    text = HOW_TO.read_text(encoding="utf-8")
    samples, head, expected, house = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    told = re.findall(r"```\n(import at .*?)```", text, re.DOTALL)[0]
    before = parse_definition(head + samples, "plug.toml", "plug")
    findings = [str(finding) for finding in check_definition(before, DECODERS)]
    assert "\n".join(findings) + "\n" == told
    (tmp_path / "plug.toml").write_text(head + samples + expected)
    assert check_definition(definition_at("plug.toml", tmp_path), DECODERS) == []
    devices = parse_config(house, tmp_path / "house.toml").devices
    assert devices is not None
    assert devices.devices["washer"].topics == ["zigbee2mqtt/washer"]


@given(st.text(), st.binary())
def test_any_message_becomes_a_sample_that_can_be_read_again(topic: str, payload: bytes) -> None:
    table = sample_table(datetime(2026, 1, 12, 11, tzinfo=UTC), topic, payload)
    with contextlib.suppress(UnicodeDecodeError):
        text = payload.decode()
        found = tomllib.loads(table)["sample"][0]
        assert found["topic"] == topic.replace("\r\n", "\n").strip("\n") or found["topic"] == topic
        assert found["payload"].strip("\n") == text.replace("\r\n", "\n").strip("\n")
        assert found["at"] == datetime(2026, 1, 12, 11, tzinfo=UTC)


@given(st.text())
def test_any_text_is_a_definition_or_refused(text: str) -> None:
    with contextlib.suppress(InputError):
        parsed(text)


LINES = GOOD.splitlines()
FIELDS = [line.partition(" = ")[0] for line in LINES if " = " in line]
VALUES = ["true", "-1", "1e400", "nan", "''", "[]", "[[1]]", "{}", "2026-01-12", "0x7f", "'\u00e9'"]


@given(st.sampled_from(FIELDS), st.sampled_from(VALUES))
def test_any_value_in_any_field_is_taken_or_refused_by_name(field: str, value: str) -> None:
    lines = [f"{field} = {value}" if line.startswith(f"{field} =") else line for line in LINES]
    complaint = ""
    try:
        parsed("\n".join(lines))
    except InputError as error:
        complaint = str(error)
    assert not complaint or field in complaint or "pulse" in complaint
