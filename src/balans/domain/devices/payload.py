"""From the bytes of a message to a document, and from what stands in it to exact numbers."""

import binascii
import json
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from balans.core.text import printable
from balans.domain.devices.definition import Bytes, DeviceError, Format
from balans.domain.devices.paths import ABSENT, Document

Decoder = Callable[[bytes], Document]
"""Turns a payload into a document.

Raises
------
DeviceError
    And nothing else, whatever the bytes.
"""

MAX_BYTES = 65_536
BIGGEST = Decimal("1e15")
FINEST = -30
"""No counter has digits below 1e-30; a number with such is noise or an attack on memory."""
_NUMBER = re.compile(r"[+-]?\d{1,40}(\.\d{0,40})?([eE][+-]?\d{1,3})?")
TIME_MAX = 4.1e9


def decode(data: bytes, format_: Format, further: Mapping[Format, Decoder]) -> Document:
    """Return the document in `data`.

    Parameters
    ----------
    further
        Decoders of formats that are not built in.

    Raises
    ------
    DeviceError
        If it is none.
    """
    if len(data) > MAX_BYTES:
        raise DeviceError(f"{len(data)} bytes; at most {MAX_BYTES} are expected")
    if format_ is Format.JSON:
        return _json(data)
    if format_ is Format.NUMBER:
        return number(_text(data).strip(), "the payload")
    if format_ not in further:
        raise DeviceError(f"payloads of format {format_} cannot be read here")
    return further[format_](data)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise DeviceError(f"not UTF-8 at byte {error.start}") from error


def _json(data: bytes) -> Document:
    text = _text(data)
    try:
        document: Document = json.loads(text, parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError, InvalidOperation) as error:
        raise DeviceError(f"not JSON: {printable(str(error))[:200]}") from error
    return document


def _no_number(name: str) -> Document:
    raise ValueError(f"{name} is no number")


def number(value: Document, place: str) -> Decimal:
    """Return what `value` counts: a number, or a text that is one.

    Raises
    ------
    DeviceError
        Naming `place` and value.
    """
    wrong = DeviceError(f"{place}: {_shown(value)} is no number from -1e15 to 1e15")
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        raise wrong
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise wrong
    if isinstance(value, int) and abs(value) > BIGGEST:
        raise wrong
    found = Decimal(value)
    if not found.is_finite() or abs(found) > BIGGEST or _finest(found) < FINEST:
        raise wrong
    return found


def _finest(found: Decimal) -> int:
    exponent = found.as_tuple().exponent
    return exponent if isinstance(exponent, int) else FINEST - 1


def count_of(value: Document, place: str, part: Bytes | None) -> Fraction:
    """Return a counter's value, out of bytes where it is a `part` of them.

    Raises
    ------
    DeviceError
        Naming `place`; a counter is never negative.
    """
    if part is not None:
        return Fraction(_whole(value, place, part))
    found = number(value, place)
    if found < 0:
        raise DeviceError(f"{place}: {_shown(value)} is negative; a counter is not")
    return Fraction(found)


def _whole(value: Document, place: str, part: Bytes) -> int:
    try:
        octets = b64decode(value, validate=True) if isinstance(value, str) else None
    except (binascii.Error, ValueError):
        octets = None
    if octets is None:
        raise DeviceError(f"{place}: {_shown(value)} is no base64")
    end = part.start + part.size
    if len(octets) < end:
        raise DeviceError(f"{place}: {len(octets)} bytes; the counter needs {end}")
    return int.from_bytes(octets[part.start : end], "big" if part.big_endian else "little")


def time_of(value: Document, place: str) -> float:
    """Return a time: Unix seconds as a number, or ISO 8601 with an offset [s].

    Raises
    ------
    DeviceError
        Naming `place` and value.
    """
    expected = "Unix seconds, or ISO 8601 with an offset"
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        try:
            time = datetime.fromisoformat(value)
        except ValueError:
            time = None
        if time is None or time.tzinfo is None:
            raise DeviceError(f"{place}: {_shown(value)}: expected {expected}")
        seconds = time.timestamp()
    else:
        seconds = float(number(value, place))
    if not 0 <= seconds <= TIME_MAX:
        raise DeviceError(f"{place}: {_shown(value)} is no time of a meter")
    return seconds


def _shown(value: Document) -> str:
    if value is ABSENT:
        return "nothing"
    text = printable(str(value))
    return repr(text if len(text) <= 40 else text[:37] + "...")
