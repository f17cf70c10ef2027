"""What somebody who mounts a module says: where it hangs, and which meter is on which input.

The same order comes from the page of the installer, from a list prepared at the desk, and from
the text of a label. Pulse weights are as printed on meters: ``1600/kWh``, ``10 l``, ``1/2``.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

from balans.core.errors import Finding, InputError
from balans.core.words import UNIT, Phase, PointRole, Resource
from balans.protocols.fields import NAME

INPUTS: Final = (1, 2, 3)
INPUTS_WITH_ADAPTER: Final = (1, 2)
SERIAL_MAX: Final = 2**32 - 1
METER_MAX: Final = 64
DIAL_MAX: Final = Decimal(10) ** 12
WEIGHT_MAX: Final = 10**9
PER_UNIT: Final = 1000
"""A register weighs Wh, varh or l; a dial shows kWh, kvarh or m³."""

_DIAL = re.compile(r"\d{1,12}([.,]\d{1,3})?")
_WEIGHT = re.compile(
    r"(?P<number>\d{1,12}(?:[.,]\d{1,9})?)(?:/(?P<below>\d{1,12}(?:[.,]\d{1,9})?))?"
    r"(?P<unit>/?[a-z³]{0,5}3?)"
)
_NOISE = re.compile(r"[\s·*.-]*(?:imp(?:ulses|uls)?|pulses?|имп)\.?(?=/)|(?<=\D)[·*](?=\D)|\s")
_CYRILLIC: Final = {
    "квтч": "kwh",
    "кварч": "kvarh",
    "варч": "varh",
    "втч": "wh",
    "м": "m",
    "л": "l",
}
_BASE: Final = {
    "": Fraction(1),
    "wh": Fraction(1),
    "varh": Fraction(1),
    "kwh": Fraction(1000),
    "kvarh": Fraction(1000),
    "l": Fraction(1),
    "m3": Fraction(1000),
    "m³": Fraction(1000),
}
_ENERGY: Final = {Resource.ELECTRICITY, Resource.REACTIVE, Resource.HEAT}


@dataclass(frozen=True, slots=True, kw_only=True)
class InputOrder:
    """A meter on one input of a module.

    Parameters
    ----------
    number
        Input of the module, 1 to 3.
    resource
        What the meter measures.
    meter
        Serial number on the face of the meter.
    pulse_weight
        Wh, varh or l a pulse, before the transformer ratio; None: as the meter is registered.
    transformer_ratio
        Current times voltage ratio.
    dial
        What the meter shows now, in the unit of the resource (kWh, kvarh, m³).
    point, point_name
        Metering point; None: the one of the place that waits for such a meter, else a new one.
    """

    number: int
    resource: Resource
    meter: str
    pulse_weight: Fraction | None = None
    transformer_ratio: Fraction = Fraction(1)
    dial: Decimal | None = None
    phase: Phase | None = None
    role: PointRole = PointRole.CONSUMER
    point: str | None = None
    point_name: str = ""

    @property
    def dial_base(self) -> Decimal | None:
        """The dial [Wh, varh or l]."""
        return None if self.dial is None else self.dial * PER_UNIT


@dataclass(frozen=True, slots=True, kw_only=True)
class MountOrder:
    """A module at a place (the code of a node) and what is on its inputs."""

    serial: int
    place: str
    has_adapter: bool = False
    inputs: tuple[InputOrder, ...] = ()


def check_order(order: MountOrder) -> Iterator[Finding]:
    """Yield what is wrong with `order` by itself; the place of a finding is its field."""
    if not 0 <= order.serial <= SERIAL_MAX:
        yield Finding("module", f"{order.serial} is not a serial number of 0 to {SERIAL_MAX}")
    if not NAME.fullmatch(order.place):
        yield Finding("place", f"{order.place!r} is no code of a place")
    allowed = INPUTS_WITH_ADAPTER if order.has_adapter else INPUTS
    for number, n in Counter(one.number for one in order.inputs).items():
        if number not in allowed:
            kind = "a module with an adapter" if order.has_adapter else "a module"
            yield Finding(f"input {number}", f"{kind} has inputs 1 to {allowed[-1]}")
        if n > 1:
            yield Finding(f"input {number}", "given twice")
    for one in order.inputs:
        yield from _check_input(one)


def _check_input(one: InputOrder) -> Iterator[Finding]:
    where = f"input {one.number}"
    if not one.meter or len(one.meter) > METER_MAX or not one.meter.isprintable():
        yield Finding(where, f"meter: {one.meter[:80]!r} is not 1 to {METER_MAX} printable signs")
    for name in ("pulse_weight", "transformer_ratio"):
        value: Fraction | None = getattr(one, name)
        if value is not None and not _fits(value):
            yield Finding(where, f"{name}: {value} is not above 0 and below {WEIGHT_MAX}")
    if one.dial is not None and not 0 <= one.dial < DIAL_MAX:
        yield Finding(where, f"dial: {one.dial} is not 0 to {DIAL_MAX}")
    if one.point is not None and not NAME.fullmatch(one.point):
        yield Finding(where, f"point: {one.point!r} is no code of a metering point")


def _fits(value: Fraction) -> bool:
    return 0 < value < WEIGHT_MAX and value.denominator <= 10**12


def parse_dial(text: str) -> Decimal:
    """Return the dial of a meter as it was read, with a decimal point or comma.

    Raises
    ------
    InputError
        If it is no such number.

    >>> parse_dial("00123,456")
    Decimal('123.456')
    """
    plain = text.strip().replace(" ", "").replace("\xa0", "").replace("\u202f", "")
    if not _DIAL.fullmatch(plain):
        raise InputError(f"{text[:40]!r} is no reading: expected a number such as 123.456")
    return Decimal(plain.replace(",", "."))


def parse_weight(text: str, resource: Resource) -> Fraction:
    """Return what a pulse weighs [Wh, varh or l], from what is printed on a meter.

    Parameters
    ----------
    text
        The weight of a pulse (``10 l``, ``0.5 Wh``, ``1/2``, ``0.01 m³``) or how many pulses a
        unit has (``1600/kWh``, ``100 imp/m3``, ``1600 имп/кВт·ч``). Without a unit: Wh, varh
        or l.
    resource
        A unit of another kind is refused.

    Raises
    ------
    InputError
        Naming the text and what is expected.

    >>> parse_weight("1600/kWh", Resource.ELECTRICITY), parse_weight("10 l", Resource.GAS)
    (Fraction(5, 8), Fraction(10, 1))
    """
    unit_of = UNIT[resource]
    wanted = f"a weight such as {'0.5 Wh or 1600/kWh' if 'h' in unit_of else '10 l or 100/m³'}"
    found = _WEIGHT.fullmatch(_plain_weight(text))
    if found is None:
        raise InputError(f"{text[:40]!r}: expected {wanted}")
    unit = found["unit"]
    base = _BASE.get(unit.removeprefix("/"))
    if base is None or (unit and (unit[-1:] == "h") != (resource in _ENERGY)):
        raise InputError(f"{text[:40]!r}: expected {wanted}")
    number = Fraction(found["number"].replace(",", "."))
    below = Fraction((found["below"] or "1").replace(",", "."))
    if not number or not below or (unit.startswith("/") and found["below"]):
        raise InputError(f"{text[:40]!r}: expected {wanted}")
    value = base / number if unit.startswith("/") else base * number / below
    if not _fits(value):
        raise InputError(f"{text[:40]!r}: a pulse weighs more than 0 and less than {WEIGHT_MAX}")
    return value


def _plain_weight(text: str) -> str:
    plain = _NOISE.sub("", text.strip()[:60].lower())
    for cyrillic, latin in _CYRILLIC.items():
        plain = plain.replace(cyrillic, latin)
    return plain


def weight_text(weight: Fraction, resource: Resource) -> str:
    """Return a weight as `parse_weight` takes it, and as meters print it.

    >>> weight_text(Fraction(5, 8), Resource.ELECTRICITY), weight_text(Fraction(10), Resource.GAS)
    ('1600/kWh', '10 l')
    """
    if resource in _ENERGY:
        per_unit = PER_UNIT / weight
        if per_unit.denominator == 1:
            return f"{per_unit.numerator}/{UNIT[resource]}"
    unit = UNIT[resource].removeprefix("k") if resource in _ENERGY else "l"
    return f"{weight} {unit}"
