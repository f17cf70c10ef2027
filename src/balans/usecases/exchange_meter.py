"""Another meter at the same metering points, today or back-dated: what becomes of the mountings.

The period of the old meter is cut at the exchange. The new one takes over its channels or gets
others; registers and dials at the cut are kept with both, so every sum through it is exact.
Nothing but mountings changes: what was used follows from registers, whenever it is asked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final

from balans.core.errors import Finding

REGISTER_MAX: Final = 2**31 - 1
DIAL_MAX: Final = Decimal(10) ** 15


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputExchange:
    """What was read of one output of the meters at the exchange, for one metering point.

    Parameters
    ----------
    point
        Code of the metering point.
    register_at_removal, register_at_mount
        Of the old and the new channel at that moment [pulses]. Where none is given it follows
        from the dial, from the other one on the same channel, or, at a full hour, from the
        readings.
    dial_at_removal, dial_at_mount
        What the faces of the old and the new meter showed [Wh, varh or l].
    channel
        (serial number of the module, input) of the new meter; None: the one of the old meter.
    """

    point: str
    register_at_removal: int | None = None
    dial_at_removal: Decimal | None = None
    register_at_mount: int | None = None
    dial_at_mount: Decimal | None = None
    channel: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMeter:
    """The meter that comes; its weights are those of `registry_plan.MeterPlan`.

    Without `pulse_weight` it is registered already, or weighs as the old one.
    """

    serial: str
    pulse_weight: Fraction | None = None
    transformer_ratio: Fraction | None = None
    register_modulus: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """The meter `old` was exchanged for `new` at `at`, at all points it was mounted at then."""

    old: str
    new: NewMeter
    at: datetime
    outputs: tuple[OutputExchange, ...] = ()

    def output(self, point: str) -> OutputExchange:
        """Return what was read for a point; nothing where it is not named."""
        found = (one for one in self.outputs if one.point == point)
        return next(found, OutputExchange(point=point))


@dataclass(frozen=True, slots=True)
class Flaw(Finding):
    """Something that keeps an exchange from being made; `code` names its kind."""

    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A mounting of the old meter as it stands in the registry.

    `pulse_weight` is what a pulse moves the dial by [Wh, varh or l], before any transformer ratio;
    `origin` the register that belongs to `dial_at_mount` [pulses], None where unknown.
    """

    point: str
    channel: tuple[int, int] | None
    start: datetime
    end: datetime | None
    pulse_weight: Fraction
    modulus: int
    origin: int | None
    dial_at_mount: Decimal | None
    register_at_removal: int | None = None
    dial_at_removal: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What becomes of a mounting: the old meter's ends with these, the new one's begins.

    The new one ends when the old one would have, with what was noted then.
    """

    point: str
    channel: tuple[int, int] | None
    register_at_removal: int | None
    dial_at_removal: Decimal | None
    register_at_mount: int | None
    dial_at_mount: Decimal | None
    end: datetime | None
    register_at_end: int | None
    dial_at_end: Decimal | None


def check_exchange(exchange: Exchange, periods: Sequence[Period]) -> list[Flaw]:
    """Return what is wrong with `exchange`; `periods` are the old meter's that `at` lies in."""
    return list(_findings(exchange, periods))


def cut(exchange: Exchange, period: Period) -> Cut:
    """Return what becomes of `period`; nothing may be wrong with `exchange`."""
    output = exchange.output(period.point)
    channel = output.channel if output.channel is not None else period.channel
    removed = output.register_at_removal
    if removed is None:
        removed = _register_of_dial(period, output.dial_at_removal)
    mounted = output.register_at_mount
    if mounted is None and channel == period.channel:
        mounted = removed
    return Cut(
        point=period.point,
        channel=channel,
        register_at_removal=removed,
        dial_at_removal=output.dial_at_removal,
        register_at_mount=mounted,
        dial_at_mount=output.dial_at_mount,
        end=period.end,
        register_at_end=period.register_at_removal if channel == period.channel else None,
        dial_at_end=period.dial_at_removal,
    )


def _register_of_dial(period: Period, dial: Decimal | None) -> int | None:
    if dial is None or period.dial_at_mount is None or period.origin is None:
        return None
    pulses = (Fraction(dial) - Fraction(period.dial_at_mount)) / period.pulse_weight
    return (period.origin + round(pulses)) % period.modulus


def _findings(exchange: Exchange, periods: Sequence[Period]) -> Iterator[Flaw]:
    if not exchange.new.serial.strip():
        yield flaw("serial", "new meter", "expected its serial number")
    if exchange.new.serial == exchange.old:
        yield flaw("same_meter", "new meter", f"{exchange.old} is the old one")
    if not periods:
        when = exchange.at.isoformat()
        yield flaw("not_there", "old meter", f"{exchange.old} was mounted nowhere at {when}")
    there = {period.point for period in periods}
    for output in exchange.outputs:
        if output.point not in there:
            what = f"meter {exchange.old} was not there then"
            yield flaw("other_point", f"point {output.point}", what)
    for period in periods:
        yield from _of_period(exchange, period)


def _of_period(exchange: Exchange, period: Period) -> Iterator[Flaw]:
    place = f"point {period.point}"
    output = exchange.output(period.point)
    if exchange.at <= period.start:
        what = f"the old meter came only at {period.start.isoformat()}"
        yield flaw("too_early", f"{place}: time", what)
    for name in ("register_at_removal", "register_at_mount"):
        value = getattr(output, name)
        if value is not None and not 0 <= value <= REGISTER_MAX:
            yield flaw("range", f"{place}: {name}", f"{value}: expected 0 to {REGISTER_MAX}")
    for name in ("dial_at_removal", "dial_at_mount"):
        dial = getattr(output, name)
        if dial is not None and not 0 <= dial < DIAL_MAX:
            yield flaw("range", f"{place}: {name}", f"{dial}: expected 0 to {DIAL_MAX}")
    first, last = period.dial_at_mount, output.dial_at_removal
    if first is not None and last is not None and last < first:
        what = f"{last} is less than {first} at mounting"
        yield flaw("dial_less", f"{place}: dial_at_removal", what)
    yield from _of_ends(exchange, period, place)


def _of_ends(exchange: Exchange, period: Period, place: str) -> Iterator[Flaw]:
    """Yield what the sums through the exchange would miss."""
    found = cut(exchange, period)
    if found.channel is None:
        for name in ("dial_at_removal", "dial_at_mount"):
            if getattr(found, name) is None:
                what = "expected it, since no channel counts the pulses"
                yield flaw("need_dial", f"{place}: {name}", what)
        return
    at = exchange.at
    if (at.minute, at.second, at.microsecond) == (0, 0, 0):
        return
    if period.channel is not None and found.register_at_removal is None:
        what = "expected it, or the old dial, where no full hour is given"
        yield flaw("need_register", f"{place}: register_at_removal", what)
    if found.register_at_mount is None:
        what = "expected it for another channel within an hour"
        yield flaw("need_register", f"{place}: register_at_mount", what)


def flaw(code: str, where: str, what: str) -> Flaw:
    """Return a flaw that keeps an exchange from being made."""
    return Flaw(where, what, code=code)
