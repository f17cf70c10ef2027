"""The text of a QR code on a label, for scanning, typing and pasting.

``BALANS:M:4711:3`` is the module 4711 with three inputs, ``BALANS:M:4711:2A`` one with a switching
adapter and two, ``BALANS:H:hub-7`` a hub. A fourth part is the secret of the label. A label that
was prepared at the desk goes on with the place and the meters::

    BALANS:M:4711:3@flat-12;1=electricity,M100,1600/kWh;2=cold_water,W200,10 l,123.456

Text is taken with small letters, too; codes of hubs, places and meters are taken as they are.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from balans.core.errors import InputError
from balans.core.words import DeviceKind, Resource
from balans.protocols.claim import plain_secret
from balans.protocols.fields import NAME
from balans.usecases.mount_order import (
    INPUTS,
    SERIAL_MAX,
    InputOrder,
    parse_dial,
    parse_weight,
    weight_text,
)

PREFIX: Final = "BALANS"
TEXT_MAX: Final = 500
_INPUTS = re.compile(r"([1-3])(A?)", re.IGNORECASE)
_SERIAL = re.compile(r"\d{1,10}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a label says. `inputs` is how many a module has, 0 where the label does not say."""

    kind: DeviceKind
    code: str
    inputs: int = 0
    has_adapter: bool = False
    secret: str = field(default="", repr=False)
    place: str = ""
    meters: tuple[InputOrder, ...] = ()

    @property
    def serial(self) -> int:
        """The serial number of a module."""
        return int(self.code)


def parse_label(text: str) -> Label:
    """Return what a scanned or typed text says; digits alone are the serial number of a module.

    Raises
    ------
    InputError
        Naming the part that is wrong, never repeating a secret.

    >>> parse_label("balans:m:4711:2A").has_adapter, parse_label("4711").serial
    (True, 4711)
    """
    plain = text.strip()
    if len(plain) > TEXT_MAX:
        raise InputError(f"text of {len(plain)} signs: expected at most {TEXT_MAX}")
    if _SERIAL.fullmatch(plain):
        return Label(kind=DeviceKind.MODULE, code=_serial(plain))
    device, at, rest = plain.partition("@")
    parts = device.split(":")
    if parts[0].upper() != PREFIX or len(parts) < 3:
        raise InputError(
            f"{plain[:20]!r} is no text of a label: expected {PREFIX}:M:4711:3, {PREFIX}:H:code"
            " or the serial number alone"
        )
    kind = parts[1].upper()
    if kind == "M":
        return _module(parts[2:], at + rest)
    if kind == "H":
        return _hub(parts[2:], at + rest)
    raise InputError(f"kind {parts[1][:8]!r}: expected M for a module or H for a hub")


def label_text(label: Label) -> str:
    """Return the text that `parse_label` reads as `label`."""
    parts = [PREFIX, "M" if label.kind == DeviceKind.MODULE else "H", label.code]
    if label.kind == DeviceKind.MODULE and label.inputs:
        parts.append(f"{label.inputs}{'A' if label.has_adapter else ''}")
    if label.secret:
        if label.kind == DeviceKind.MODULE and not label.inputs:
            parts.append("")
        parts.append(label.secret)
    text = ":".join(parts)
    if label.place:
        text = ";".join([f"{text}@{label.place}", *(_meter_text(one) for one in label.meters)])
    return text


def _serial(text: str) -> str:
    if not _SERIAL.fullmatch(text) or int(text) > SERIAL_MAX:
        raise InputError(f"serial number {text[:20]!r}: expected 0 to {SERIAL_MAX}")
    return str(int(text))


def _module(parts: list[str], rest: str) -> Label:
    serial = _serial(parts[0])
    inputs, adapter = 0, False
    if len(parts) > 1 and parts[1]:
        found = _INPUTS.fullmatch(parts[1])
        if found is None or (found[2] and found[1] == "3"):
            raise InputError(
                f"inputs {parts[1][:8]!r}: expected 1 to 3, or 1A or 2A with an adapter"
            )
        inputs, adapter = int(found[1]), bool(found[2])
    if len(parts) > 3:
        raise InputError(f"{len(parts) - 3} parts after the secret: expected none")
    secret = plain_secret(parts[2]) if len(parts) > 2 and parts[2] else ""
    place, meters = _place(rest) if rest else ("", ())
    return Label(
        kind=DeviceKind.MODULE,
        code=serial,
        inputs=inputs,
        has_adapter=adapter,
        secret=secret,
        place=place,
        meters=meters,
    )


def _hub(parts: list[str], rest: str) -> Label:
    code = parts[0]
    if not NAME.fullmatch(code):
        raise InputError(f"code of the hub {code[:64]!r}: expected 1-64 of A-Z a-z 0-9 _ . -")
    if len(parts) > 2:
        raise InputError(f"{len(parts) - 2} parts after the secret: expected none")
    place, meters = _place(rest) if rest else ("", ())
    if meters:
        raise InputError("a hub has no inputs: expected nothing after the place")
    secret = plain_secret(parts[1]) if len(parts) > 1 and parts[1] else ""
    return Label(kind=DeviceKind.HUB, code=code, secret=secret, place=place)


def _place(rest: str) -> tuple[str, tuple[InputOrder, ...]]:
    place, *meters = rest.removeprefix("@").split(";")
    if not NAME.fullmatch(place):
        raise InputError(f"place {place[:64]!r}: expected the code of a node after @")
    return place, tuple(_meter(text) for text in meters if text.strip())


def _meter(text: str) -> InputOrder:
    number, _, rest = text.partition("=")
    fields = [part.strip() for part in rest.split(",")]
    where = f"meter {text[:40]!r}"
    if number.strip() not in {str(n) for n in INPUTS}:
        raise InputError(f"{where}: expected input=resource,serial[,weight[,dial]]")
    if not 2 <= len(fields) <= 4:
        raise InputError(f"{where}: expected resource,serial[,weight[,dial]] after the input")
    if fields[0].lower() not in set(Resource):
        raise InputError(f"{where}: resource {fields[0]!r} is none of {', '.join(Resource)}")
    resource = Resource(fields[0].lower())
    weight = fields[2] if len(fields) > 2 else ""
    dial = fields[3] if len(fields) > 3 else ""
    try:
        return InputOrder(
            number=int(number),
            resource=resource,
            meter=fields[1],
            pulse_weight=parse_weight(weight, resource) if weight else None,
            dial=parse_dial(dial) if dial else None,
        )
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _meter_text(one: InputOrder) -> str:
    fields = [one.resource.value, one.meter]
    if one.pulse_weight is not None or one.dial is not None:
        weight = one.pulse_weight
        fields.append("" if weight is None else weight_text(weight, one.resource))
    if one.dial is not None:
        fields.append(f"{one.dial:f}")
    return f"{one.number}={','.join(fields)}"
