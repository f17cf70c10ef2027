"""Texts of labels: what is read, what is refused, and that both directions agree."""

from contextlib import suppress
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.core.errors import InputError
from balans.core.words import DeviceKind, Resource
from balans.protocols.claim import plain_secret
from balans.usecases.mount_order import InputOrder, parse_dial, parse_weight, weight_text
from balans.usecases.qr_text import Label, label_text, parse_label

SECRET = "4K7M0N2P9QRS5TVW"
NAMES = st.from_regex(r"[A-Za-z0-9_.-]{1,64}", fullmatch=True)
SECRETS = st.one_of(st.just(""), st.from_regex(r"[0-9A-HJKMNP-TV-Z]{16,26}", fullmatch=True))
METERS = st.builds(
    InputOrder,
    number=st.integers(1, 3),
    resource=st.sampled_from(Resource),
    meter=st.from_regex(r"[A-Za-z0-9./-]{1,20}", fullmatch=True),
    pulse_weight=st.one_of(
        st.none(),
        st.fractions(Fraction(1, 1000), 100_000, max_denominator=9999),
    ),
    dial=st.one_of(st.none(), st.decimals(0, 10**6, places=3)),
)


def labels() -> st.SearchStrategy[Label]:
    serials = st.integers(0, 2**32 - 1).map(str)
    modules = st.builds(
        Label,
        kind=st.just(DeviceKind.MODULE),
        code=serials,
        inputs=st.integers(0, 3),
        secret=SECRETS,
    )
    placed = st.builds(
        Label,
        kind=st.just(DeviceKind.MODULE),
        code=serials,
        inputs=st.integers(1, 2),
        has_adapter=st.booleans(),
        place=NAMES,
        meters=st.lists(METERS, max_size=3).map(tuple),
    )
    hubs = st.builds(Label, kind=st.just(DeviceKind.HUB), code=NAMES, secret=SECRETS)
    return st.one_of(modules, placed, hubs)


@given(labels())
def test_what_is_printed_is_read_back(label: Label) -> None:
    assert parse_label(label_text(label)) == label


@given(st.text(max_size=600))
def test_any_text_is_a_label_or_refused(text: str) -> None:
    with suppress(InputError):
        assert parse_label(text).code


@given(st.text(max_size=60).map(lambda text: f"BALANS:M:4711:3@{text}"))
def test_any_place_is_one_or_refused(text: str) -> None:
    with suppress(InputError):
        assert parse_label(text).place


def test_a_full_label() -> None:
    label = parse_label(
        f"balans:m:04711:3:{SECRET.lower()}@flat-12"
        ";1=electricity,M 100,1600/kWh;2=cold_water,W200,10 l,123.456"
    )
    assert (label.serial, label.inputs, label.place) == (4711, 3, "flat-12")
    first, second = label.meters
    assert (first.meter, first.pulse_weight, first.dial) == ("M 100", Fraction(5, 8), None)
    assert (second.pulse_weight, second.dial) == (Fraction(10), Decimal("123.456"))
    assert second.dial_base == Decimal("123456.000")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no text of a label"),
        ("hello", "is no text of a label"),
        ("BALANS:X:1", "expected M for a module or H for a hub"),
        ("BALANS:M:x", "serial number 'x'"),
        ("BALANS:M:4294967296", "expected 0 to 4294967295"),
        ("BALANS:M:1:4", "inputs '4'"),
        ("BALANS:M:1:3A", "1A or 2A"),
        ("BALANS:M:1:3:SHORT", "secret: expected the 16 or more"),
        (f"BALANS:M:1:3:{SECRET}:more", "1 parts after the secret"),
        ("BALANS:H:a/b", "code of the hub 'a/b'"),
        ("BALANS:M:1:3@a b", "place 'a b'"),
        ("BALANS:M:1:3@a;4=gas,G1", "expected input=resource"),
        ("BALANS:M:1:3@a;1=beer,G1", "resource 'beer' is none of"),
        ("BALANS:M:1:3@a;1=gas", "expected resource,serial"),
        ("BALANS:M:1:3@a;1=gas,G1,heavy", "a weight such as 10 l"),
        ("BALANS:M:1:3@a;1=gas,G1,10 l,x", "'x' is no reading"),
        (f"BALANS:H:hub-1:{SECRET}@a;1=gas,G1", "a hub has no inputs"),
    ],
)
def test_what_is_wrong_is_named(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_label(text)


def test_a_secret_is_never_repeated() -> None:
    with pytest.raises(InputError) as error:
        plain_secret("this-is-my-secret-u!")
    assert "secret-u" not in str(error.value)
    assert SECRET not in repr(parse_label(f"BALANS:H:hub-1:{SECRET}"))


@pytest.mark.parametrize(
    ("text", "resource", "weight"),
    [
        ("1600 imp/kWh", "electricity", Fraction(5, 8)),
        ("1600 имп/кВт·ч", "electricity", Fraction(5, 8)),
        ("0,5 Wh", "electricity", Fraction(1, 2)),
        ("1/2", "electricity", Fraction(1, 2)),
        ("1000/kvarh", "reactive", Fraction(1)),
        ("0.01 m3", "gas", Fraction(10)),
        ("100 имп./м³", "gas", Fraction(10)),
        ("10л", "hot_water", Fraction(10)),
        ("1 kWh", "heat", Fraction(1000)),
    ],
)
def test_weights_as_meters_print_them(text: str, resource: str, weight: Fraction) -> None:
    assert parse_weight(text, Resource(resource)) == weight


@pytest.mark.parametrize(
    ("text", "resource"),
    [
        ("10 l", "electricity"),
        ("1600/kWh", "gas"),
        ("0", "gas"),
        ("5/0", "gas"),
        ("x", "gas"),
        ("1/2/3", "gas"),
        ("-1", "gas"),
        ("1e3", "gas"),
        ("", "gas"),
        ("/kWh", "heat"),
    ],
)
def test_weights_that_make_no_sense(text: str, resource: str) -> None:
    with pytest.raises(InputError, match="expected a weight"):
        parse_weight(text, Resource(resource))


@given(st.fractions(Fraction(1, 10**6), 10**6, max_denominator=10**6), st.sampled_from(Resource))
def test_a_weight_is_printed_as_it_is_read(weight: Fraction, resource: Resource) -> None:
    assert parse_weight(weight_text(weight, resource), resource) == weight


@given(st.text(max_size=30))
def test_any_dial_is_a_number_or_refused(text: str) -> None:
    with suppress(InputError):
        assert parse_dial(text) >= 0
