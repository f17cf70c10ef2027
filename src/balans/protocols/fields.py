"""Types of the fields that both wires share, with the bounds every decoder enforces.

A number outside its bounds, NaN and infinity among them, a name that could break out of its
topic, or text with a NUL is refused when the message is decoded.
"""

import re
from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta

from balans.protocols.readings import HOUR_MAX, HOUR_MIN, INPUT_MAX

NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")

Name = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_.-]{1,64}\Z")]
NodeName = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_.-]{0,64}\Z")]
"""A node of a site's limit tree; "" is the site itself."""
Text = Annotated[str, Meta(max_length=500, pattern=r"\A[^\x00]*\Z")]
Serial = Annotated[int, Meta(ge=0, le=2**32 - 1)]
Sequence = Annotated[int, Meta(ge=0, le=2**62)]
Tenant = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Offset = Annotated[int, Meta(ge=0, le=2**62)]
JournalId = Annotated[int, Meta(ge=1, le=2**62)]
Crc32 = Annotated[int, Meta(ge=0, le=2**32 - 1)]
Unix = Annotated[float, Meta(ge=0, le=4.2e9)]
"""Seconds since 1970-01-01 00:00 UTC, up to the year 2103."""
StepSeconds = Annotated[float, Meta(gt=0, le=3600)]
DaySeconds = Annotated[float, Meta(ge=0, le=86_400)]
Watt = Annotated[float, Meta(ge=-1e9, le=1e9)]
WattHours = Annotated[float, Meta(ge=0, le=1e12)]
Ampere = Annotated[float, Meta(ge=-1e6, le=1e6)]
PhaseWatts = Annotated[tuple[Watt, ...], Meta(max_length=3)]
"""Power on L1, L2, L3 in this order; empty where the meter does not tell."""
Hour = Annotated[int, Meta(ge=HOUR_MIN, le=HOUR_MAX)]
"""Hours since 2000-01-01 00:00 UTC, the instant at which the hour begins."""
Input = Annotated[int, Meta(ge=1, le=INPUT_MAX)]
Register = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Flags = Annotated[int, Meta(ge=0, le=255)]
HourSpan = tuple[Hour, Hour]
HourSpans = Annotated[tuple[HourSpan, ...], Meta(min_length=1, max_length=500)]
"""Ranges [start, end) of hours, sorted and apart."""
Output = Annotated[int, Meta(ge=1, le=4)]
"""A switching output of a module with an adapter."""
WaitSeconds = Annotated[float, Meta(gt=0, le=60)]
Claim = Annotated[str, Meta(pattern=r"\A([0-9a-f]{64})?\Z")]
"""See `balans.protocols.claim`; empty: the device claims nothing."""


def check_spans(what: str, spans: Iterable[tuple[int, int]], start: int, end: int) -> None:
    """Raise ValueError (which a decoder reports as malformed) unless sorted inside [start, end)."""
    at = start
    for first, last in spans:
        if not at <= first < last <= end:
            raise ValueError(f"{what} [{first}, {last}) out of order or outside [{start}, {end})")
        at = last
