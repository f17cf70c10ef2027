"""Telegrams of the P1 port of a DSMR meter, read by ``dsmr_parser``.

The document has ``time`` [Unix s] where the telegram tells it, the counters of the meter under the
names of ``dsmr_parser`` [kWh, kvarh], and for meters that are connected to it ``gas``, ``water``,
``warm_water``, ``heat``, each with ``time`` [Unix s] and its value under the name of its unit
(``m3``, ``GJ``). Of two meters of one kind the one that was read last is told.

References
----------
Dutch Smart Meter Requirements, P1 Companion Standard, versions 2.2, 3.0, 4.2 and 5.0.2.
"""

import logging
import re
from datetime import datetime
from decimal import Decimal
from typing import Any

from balans.domain.devices import DeviceError
from balans.domain.devices.paths import Document

logging.getLogger("dsmr_parser").setLevel(logging.CRITICAL)  # it logs each line that it leaves out

MAX_BYTES = 16_384
KINDS = {3: "gas", 4: "heat", 6: "warm_water", 7: "water", 12: "heat"}
"""Types of devices on the M-Bus, EN 13757-3."""
READINGS = ("MBUS_METER_READING", "HOURLY_GAS_METER_READING", "GAS_METER_READING")
NEVER_READ_S = 946_684_800
"""A meter on the M-Bus that was never read tells a time before 2000 [Unix s]."""
PER_KILO = {"Wh": 1000, "varh": 1000}
_VERSION = re.compile(r"^1-3:0\.2\.8\((\d)", re.MULTILINE)
_CHECKSUM = re.compile(r"!([0-9A-F]{1,4})\s*\Z")


def decode(data: bytes) -> Document:
    """Return the document in a telegram, from ``/`` to its checksum.

    Line ends may have been changed on the way; the checksum is of the telegram as it was.

    Raises
    ------
    DeviceError
        If it is no whole telegram, or its checksum is wrong.
    """
    text = _text(data)
    try:
        telegram = _parser(text).parse(text)
        return _document(telegram)
    except DeviceError:
        raise
    except Exception as error:  # the parser raises whatever its parts do
        raise DeviceError(f"not a P1 telegram: {str(error)[:200]}") from error


def _text(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise DeviceError(f"{len(data)} bytes; a telegram has at most {MAX_BYTES}")
    try:
        lines = data.decode("ascii").strip().splitlines()
    except UnicodeDecodeError as error:
        raise DeviceError(f"not a P1 telegram: no ASCII at byte {error.start}") from error
    if not all(line.isprintable() for line in lines):
        raise DeviceError("not a P1 telegram: control characters in a line")
    if len(lines) < 3 or not lines[0].startswith("/") or not lines[-1].startswith("!"):
        raise DeviceError("not a P1 telegram: expected lines from / to !")
    return "\r\n".join(lines) + "\r\n"


def _parser(text: str) -> Any:
    """Return the parser of the version that the telegram says it has.

    Versions before 4 have no line for it and no checksum; Belgian meters have another one.
    """
    from dsmr_parser import telegram_specifications as specifications
    from dsmr_parser.parsers import TelegramParser

    version = _VERSION.search(text)
    if "\n0-0:96.1.4(" in text:
        wanted = specifications.BELGIUM_FLUVIUS
    elif version is None and not _CHECKSUM.search(text):
        wanted = specifications.V2_2
    elif version is not None and version[1] == "4":
        wanted = specifications.V4
    else:
        wanted = specifications.V5
    return TelegramParser(wanted)


def _document(telegram: Any) -> Document:
    document: dict[str, Document] = {}
    meters: list[tuple[int, str, dict[str, Document]]] = []
    for name, line in telegram:
        value = getattr(line, "value", None)
        if name == "MBUS_DEVICES":
            meters = [meter for device in line for meter in _meter(device)]
        elif name == "P1_MESSAGE_TIMESTAMP" and isinstance(value, datetime):
            document["time"] = int(value.timestamp())
        elif isinstance(value, Decimal):
            document[name] = value / PER_KILO.get(str(getattr(line, "unit", None)), 1)
    last = sorted(meters, key=lambda one: one[0])
    return document | {kind: meter for _, kind, meter in last}


def _meter(device: Any) -> list[tuple[int, str, dict[str, Document]]]:
    """Return when a meter on the M-Bus was read, its kind and its value; nothing if never."""
    lines = dict(device)
    kind = lines.get("MBUS_DEVICE_TYPE") or lines.get("DEVICE_TYPE")
    reading = next((lines[name] for name in READINGS if name in lines), None)
    if kind is None or reading is None or int(kind.value) not in KINDS:
        return []
    if not isinstance(reading.datetime, datetime) or not isinstance(reading.value, Decimal):
        return []
    time_s = int(reading.datetime.timestamp())
    if time_s < NEVER_READ_S:
        return []
    return [(time_s, KINDS[int(kind.value)], {str(reading.unit): reading.value, "time": time_s})]
