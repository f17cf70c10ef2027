"""Messages of a device: what is meant, what is refused, and that nonsense changes nothing."""

import json
from base64 import b64encode
from contextlib import suppress
from copy import deepcopy
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balans.core.errors import InputError
from balans.core.hours import EPOCH_UNIX_S, HOUR_S
from balans.domain.devices import (
    AfterReset,
    ChannelRule,
    Definition,
    Device,
    DeviceError,
    Format,
    MessageRule,
    Outcome,
)
from balans.domain.devices.counter import Point
from balans.domain.devices.definition import Bytes
from balans.domain.devices.device import matches
from balans.domain.devices.paths import ABSENT, Path, parse_path
from balans.domain.devices.payload import count_of, decode, number, time_of
from balans.protocols.readings import Reading

H = 228_000
NOW = float(EPOCH_UNIX_S + H * HOUR_S)


def channel(name: str = "import", at: tuple[str, ...] = ("total",), **more: Any) -> ChannelRule:
    paths = tuple(parse_path(one) for one in at)
    return ChannelRule(name, None, paths, "pulse", **more)


def device(
    message: MessageRule, *channels: ChannelRule, parameters: dict[str, str] | None = None
) -> Device:
    definition = Definition(
        "test", "test", "test", 900, 300, AfterReset.ZERO, (message,), channels or (channel(),)
    )
    return Device(definition, {"device": "d"} | (parameters or {}), serial=70)


def rule(**more: Any) -> MessageRule:
    return MessageRule("t/{device}", Format.JSON, **more)


def send(to: Device, content: object, at_s: float = NOW, **more: Any) -> Any:
    return to.take("t/d", json.dumps(content).encode(), at_s, **more)


def test_a_path_finds_names_and_numbers() -> None:
    document = {"a": [{"b.c": 7}], "n": None}
    assert parse_path('a[0]."b.c"').find(document) == 7
    assert parse_path("a[1]").find(document) is ABSENT
    assert parse_path("n.x").find(document) is None
    assert parse_path("").find(document) is document
    assert str(parse_path('a[0]."b.c"')) == 'a[0]."b.c"'
    assert str(Path()) == "the payload"


@pytest.mark.parametrize("text", [".a", "a.", "a..b", "a[x]", "a[1", 'a"b', "[", "a]b", "a[0]b"])
def test_a_path_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="path"):
        parse_path(text)


@given(st.text())
def test_any_text_is_a_path_or_refused(text: str) -> None:
    try:
        path = parse_path(text)
    except InputError:
        return
    path.find({"a": [1]})


def test_a_value_at_a_full_hour_becomes_a_reading_of_the_virtual_module() -> None:
    channels = [channel(name, (name,)) for name in ("a", "b", "c", "d")]
    taken = send(device(rule(), *channels), {"a": 1, "b": 2, "c": "3", "d": 4.9})
    assert taken.outcome is Outcome.USED
    assert taken.readings == (
        Reading(70, 1, H, 1),
        Reading(70, 2, H, 2),
        Reading(70, 3, H, 3),
        Reading(71, 1, H, 4),
    )


def test_the_newest_register_of_an_input_is_known() -> None:
    one = device(rule(), channel())
    assert one.register(70, 1) is None
    send(one, {"total": 5}, NOW + 10)
    assert one.register(70, 1) == Point(NOW + 10, Fraction(5))
    inputs = [(69, 3), (70, 0), (70, 1), (70, 2), (70, 4)]
    assert [one.has(*place) for place in inputs] == [False, False, True, False, False]


def test_what_is_not_meant_is_passed_over_and_what_is_meant_but_empty_is_refused() -> None:
    picky = device(rule(where=((parse_path("kind"), ("counter", 3, True)),)))
    assert send(picky, {"kind": "other", "total": 5}).outcome is Outcome.OTHER
    assert send(picky, {"total": 5}).outcome is Outcome.OTHER
    assert send(picky, {"kind": 1, "total": 5}).outcome is Outcome.OTHER
    for kind in ("counter", 3, True):
        assert send(picky, {"kind": kind, "total": 5}).outcome is Outcome.USED
    needy = device(rule(needs=(parse_path("total"),)))
    assert send(needy, {"power": 3}).outcome is Outcome.OTHER
    refused = send(device(rule()), {"power": 3})
    assert (refused.outcome, refused.findings) == (Outcome.REFUSED, ("it holds none of total",))


def test_places_that_are_left_out_when_zero_are_zero() -> None:
    place = (parse_path("port"), (0,))
    one = device(rule(where=(place,), left_out_zero=(parse_path("port"), parse_path("total"))))
    assert send(one, {}).readings == (Reading(70, 1, H, 0),)
    assert send(one, {"port": 1}).outcome is Outcome.OTHER
    assert device(rule()).take("t/d", b"{}", NOW).outcome is Outcome.REFUSED


def test_a_delta_is_laid_over_what_is_known() -> None:
    both = channel("sum", ("a.e", "b.e"))
    one = device(rule(delta=True), both)
    assert send(one, {"a": {"e": 1}}).readings == ()
    assert send(one, {"x": 1}).outcome is Outcome.OTHER
    assert send(one, {"b": {"e": 10}}).readings == (Reading(70, 1, H, 11),)
    assert send(one, {"a": {"e": 2}}, NOW + HOUR_S).readings == (Reading(70, 1, H + 1, 12),)
    assert send(one, {"a": None}, NOW + 2 * HOUR_S).readings == ()
    assert send(one, {"b": {"e": 11}}, NOW + 3 * HOUR_S).readings == ()


def test_what_the_broker_had_kept_is_not_laid_over_what_is_newer() -> None:
    """The sum would fall, be taken for a counter that began anew, and be counted once more."""
    one = device(rule(delta=True), channel("sum", ("a.e", "b.e")))
    assert send(one, {"a": {"e": 900}}, NOW - 40, kept=True).readings == ()
    send(one, {"b": {"e": 50}}, NOW - 30)
    send(one, {"a": {"e": 1000}}, NOW - 20)
    send(one, {"a": {"e": 900}}, NOW - 10, kept=True)
    send(one, {"b": {"e": 51}}, NOW - 5)
    assert send(one, {"b": {"e": 52}}, NOW).readings == (Reading(70, 1, H, 1052),)


def test_a_delta_that_comes_late_is_not_laid_over_what_is_newer() -> None:
    one = device(rule(delta=True, time=parse_path("ts")), channel("sum", ("a.e", "b.e")))
    told = [
        {"ts": NOW - 40, "a": {"e": 900}, "b": {"e": 50}},
        {"ts": NOW - 20, "a": {"e": 1000}},
        {"ts": NOW - 30, "a": {"e": 950}},
        {"ts": NOW - 10, "b": {"e": 51}},
        {"ts": NOW, "b": {"e": 52}},
    ]
    assert [send(one, each).readings for each in told][-1] == (Reading(70, 1, H, 1052),)


def test_the_time_is_the_devices_own_where_it_tells_one() -> None:
    timed = device(rule(time=parse_path("ts")))
    assert send(timed, {"total": 5, "ts": NOW}, NOW + 30).readings == (Reading(70, 1, H, 5),)
    assert send(timed, {"total": 6, "ts": NOW + 90}, NOW + 20).outcome is Outcome.REFUSED
    assert send(timed, {"total": 6, "ts": "2026-01-04T01:00:00"}).outcome is Outcome.REFUSED
    assert send(timed, {"total": 6}, NOW + HOUR_S).readings == (Reading(70, 1, H + 1, 6),)


def test_what_the_broker_had_kept_is_used_only_with_a_time_of_its_own() -> None:
    assert send(device(rule()), {"total": 5}, kept=True).outcome is Outcome.OTHER
    timed = device(rule(time=parse_path("ts")))
    taken = send(timed, {"total": 5, "ts": NOW}, NOW + HOUR_S, kept=True)
    assert taken.readings == (Reading(70, 1, H, 5),)


def test_a_channel_may_have_a_time_of_its_own_and_is_not_told_without() -> None:
    gas = channel("gas", ("gas.m3",), time=parse_path("gas.time"))
    one = device(rule(), gas)
    assert send(one, {"gas": {"m3": 7, "time": NOW}}, NOW + 99).readings == (Reading(70, 1, H, 7),)
    assert send(one, {"gas": {"m3": 8}}, NOW + HOUR_S).readings == ()


def test_a_counter_inside_bytes() -> None:
    for big, octets in ((True, b"\x09\x01\x02\x03"), (False, b"\x09\x03\x02\x01")):
        one = device(rule(), channel(at=("data",), bytes=Bytes(1, 3, big_endian=big)))
        data = {"data": b64encode(octets).decode()}
        assert send(one, data).readings == (Reading(70, 1, H, 0x010203),)
    one = device(rule(), channel(at=("data",), bytes=Bytes(1, 3)))
    for wrong in ("AAE=", "no base64!", 7, "\u00e9"):
        assert send(one, {"data": wrong}).outcome is Outcome.REFUSED


def test_a_clock_that_was_set_back_does_not_silence_a_device() -> None:
    one = device(rule())
    send(one, {"total": 5}, NOW + 9 * HOUR_S)
    seen = [send(one, {"total": 6 + n}, NOW - 100 + 100 * n) for n in range(3)]
    assert [r.hour for taken in seen for r in taken.readings] == [H]
    assert seen[0].findings == ("import: the clock was set back",)


def test_a_wrong_value_while_the_clock_was_ahead_does_not_silence_a_device() -> None:
    one = device(rule())
    send(one, {"total": 500}, NOW - 100)
    send(one, {"total": 0}, NOW + 9000 * HOUR_S)
    taken = send(one, {"total": 501}, NOW)
    assert taken.readings == (Reading(70, 1, H, 501),)
    assert taken.findings == ("import: the clock was set back",)


def test_parameters_are_filled_in_and_checked() -> None:
    named = channel(at=("object.{field}",))
    one = device(rule(), named, parameters={"field": "volume"})
    assert send(one, {"object": {"volume": 3}}).readings == (Reading(70, 1, H, 3),)
    with pytest.raises(InputError, match="field"):
        device(rule(), named)
    with pytest.raises(InputError, match=r"device = 'a/#'"):
        device(rule(), parameters={"device": "a/#"})
    with pytest.raises(InputError, match="channel 'no'"):
        Device(one.definition, {"device": "d", "field": "x"}, 1, ["no"])


def test_topics_are_matched_as_the_broker_does() -> None:
    assert matches("a/+/c", "a/b/c")
    assert not matches("a/+/c", "a/b/b/c")
    assert not matches("a/b", "a/c")


@pytest.mark.parametrize(
    "value", [True, None, "", "abc", "1e9999", "NaN", "Infinity", 10**16, [1], {}, ABSENT, " 1"]
)
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(DeviceError):
        number(value, "x")


def test_numbers_are_exact() -> None:
    assert count_of(Decimal("0.1"), "x", None) == Fraction(1, 10)
    assert number("12.50", "x") == Decimal("12.50")
    with pytest.raises(DeviceError, match="negative"):
        count_of("-1", "x", None)
    with pytest.raises(DeviceError):
        number(Decimal("1e-999999"), "x")


json_like = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
payloads = st.one_of(st.binary(max_size=80), json_like.map(lambda x: json.dumps(x).encode()))


@given(payloads, st.sampled_from(Format))
def test_any_bytes_are_a_document_or_refused(data: bytes, format_: Format) -> None:
    with suppress(DeviceError):
        decode(data, format_, {})


@given(st.one_of(json_like, st.datetimes().map(str), st.datetimes().map(lambda t: f"{t}+14:00")))
def test_anything_is_a_time_or_refused(value: object) -> None:
    with suppress(DeviceError):
        assert 0 <= time_of(value, "x") < 4.2e9


@settings(max_examples=200)
@given(st.lists(payloads, max_size=5), st.booleans())
def test_nonsense_changes_nothing(noise: list[bytes], delta: bool) -> None:  # noqa: FBT001
    one = device(
        rule(delta=delta, time=parse_path("ts"), where=((parse_path("m"), ("s",)),)),
        channel("a", ("a",)),
        channel("b", ("a", "b")),
    )
    send(one, {"m": "s", "a": 1, "b": 2}, NOW - 10)
    before = deepcopy((one.state, one._known))
    for data in noise:
        taken = one.take("t/d", data, NOW)
        assert taken.outcome is not Outcome.USED
        assert taken.readings == ()
    assert (one.state, one._known) == before


def test_too_deep_and_too_long_is_refused() -> None:
    one = device(rule())
    for data in (
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b"9" * 70_000,
        b'{"total":1' + b"0" * 5_000 + b"}",
    ):
        assert one.take("t/d", data, NOW).outcome is Outcome.REFUSED
