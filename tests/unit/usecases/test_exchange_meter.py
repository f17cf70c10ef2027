"""What a change of meter makes of a mounting, and what keeps it from being made."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.usecases.exchange_meter import (
    Exchange,
    NewMeter,
    OutputExchange,
    Period,
    check_exchange,
    cut,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
AT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
PERIOD = Period(
    point="p",
    channel=(7, 1),
    start=START,
    end=None,
    pulse_weight=Fraction(1, 2),
    modulus=1000,
    origin=990,
    dial_at_mount=Decimal(100),
)


def exchange(**values: object) -> Exchange:
    output = OutputExchange(point="p", **values)  # type: ignore[arg-type]
    return Exchange(old="a", new=NewMeter(serial="b"), at=AT, outputs=(output,))


def codes(order: Exchange, *periods: Period) -> list[str]:
    return [flaw.code for flaw in check_exchange(order, periods or (PERIOD,))]


def test_the_register_follows_from_the_dial_through_roll_over() -> None:
    """10 Wh more are 20 pulses more: 990 + 20 is 10 again."""
    found = cut(exchange(dial_at_removal=Decimal(110), dial_at_mount=Decimal(0)), PERIOD)
    assert (found.register_at_removal, found.register_at_mount) == (10, 10)
    assert (found.dial_at_removal, found.dial_at_mount) == (Decimal(110), Decimal(0))
    assert codes(exchange(dial_at_removal=Decimal(110))) == []


def test_what_was_read_goes_before_what_follows() -> None:
    found = cut(exchange(dial_at_removal=Decimal(110), register_at_removal=12), PERIOD)
    assert (found.register_at_removal, found.register_at_mount) == (12, 12)
    found = cut(exchange(register_at_removal=12, register_at_mount=0), PERIOD)
    assert found.register_at_mount == 0


def test_another_channel_takes_nothing_over() -> None:
    order = exchange(register_at_removal=12, channel=(8, 2))
    ended = replace(PERIOD, end=AT + timedelta(days=9), register_at_removal=77)
    found = cut(order, ended)
    assert (found.channel, found.register_at_mount, found.register_at_end) == ((8, 2), None, None)
    assert codes(order) == ["need_register"]
    assert cut(exchange(), ended).register_at_end == 77
    assert cut(exchange(), ended).end == ended.end


def test_at_a_full_hour_nothing_need_be_read() -> None:
    order = replace(exchange(), at=AT.replace(minute=0))
    assert codes(order) == []
    assert codes(exchange()) == ["need_register", "need_register"]


def test_a_meter_read_by_eye_needs_both_dials() -> None:
    by_eye = replace(PERIOD, channel=None, origin=None)
    assert codes(exchange(), by_eye) == ["need_dial", "need_dial"]
    assert codes(exchange(dial_at_removal=Decimal(110)), by_eye) == ["need_dial"]
    both = exchange(dial_at_removal=Decimal(110), dial_at_mount=Decimal(0))
    assert codes(both, by_eye) == []


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"register_at_removal": -1}, "range"),
        ({"register_at_removal": 2**31}, "range"),
        ({"register_at_removal": 5, "dial_at_mount": Decimal(-1)}, "range"),
        ({"dial_at_removal": Decimal(99)}, "dial_less"),
    ],
)
def test_figures_that_cannot_be(values: dict[str, object], code: str) -> None:
    assert codes(exchange(**values)) == [code]


def test_meters_and_points_that_do_not_fit() -> None:
    order = exchange(register_at_removal=5)
    assert codes(replace(order, new=NewMeter(serial="a"))) == ["same_meter"]
    assert codes(replace(order, new=NewMeter(serial=" "))) == ["serial"]
    assert codes(replace(order, at=START)) == ["too_early"]
    other = replace(order, outputs=(*order.outputs, OutputExchange(point="q")))
    assert codes(other) == ["other_point"]
    assert [flaw.code for flaw in check_exchange(replace(order, outputs=()), ())] == ["not_there"]


@given(
    origin=st.integers(0, 999),
    pulses=st.integers(0, 10**6),
    weight=st.fractions(Fraction(1, 90), 1000, max_denominator=97),
)
def test_a_dial_and_its_register_say_the_same(origin: int, pulses: int, weight: Fraction) -> None:
    """The dial after so many pulses, to a thousandth, gives back their number."""
    period = replace(PERIOD, origin=origin, pulse_weight=weight, dial_at_mount=Decimal(0))
    exact = pulses * weight
    dial = (Decimal(exact.numerator) / exact.denominator).quantize(Decimal("0.001"))
    found = cut(exchange(dial_at_removal=dial), period).register_at_removal
    assert found == (origin + pulses) % 1000
