"""How a module makes itself known, and what its hub asks of it besides reports."""

from typing import Annotated

import msgspec
from msgspec import Meta

from balans.protocols.fields import (
    Claim,
    Flags,
    Hour,
    HourSpans,
    Input,
    Name,
    Register,
    Serial,
    Text,
    Unix,
    WaitSeconds,
    check_spans,
)
from balans.protocols.readings import HOUR_MAX, HOUR_MIN, INPUT_MAX


class Announce(msgspec.Struct, frozen=True, tag="announce"):
    """Module -> all hubs of the site: here I am. Repeated until a hub says `Known`.

    `inputs` is how many it has, `kind` its model in words of its maker, `claim` see
    `balans.protocols.claim`.
    """

    serial: Serial
    inputs: Annotated[int, Meta(ge=0, le=INPUT_MAX)] = INPUT_MAX
    has_adapter: bool = False
    kind: Text = ""
    software: Text = ""
    claim: Claim = ""


class Known(msgspec.Struct, frozen=True, tag="known"):
    """Hub -> modules: the announcement is in the journal of `hub`; report to it."""

    serial: Serial
    hub: Name


class Ask(msgspec.Struct, frozen=True, tag="ask"):
    """Hub -> module: your register now. `ttl_s` counts from when it is heard."""

    id: Name
    serial: Serial
    input: Input
    ttl_s: WaitSeconds


class Answer(msgspec.Struct, frozen=True, tag="reply"):
    """Module -> hub: the register [pulses] at `time`; None: it has no such input."""

    id: Name
    serial: Serial
    input: Input
    time: Unix
    register: Register | None
    flags: Flags = 0


class HoursWanted(msgspec.Struct, frozen=True, tag="hours"):
    """Hub -> module: report these hours [start, end) of an input again, if you hold them."""

    serial: Serial
    input: Input
    spans: HourSpans

    def __post_init__(self) -> None:
        check_spans("hours", self.spans, HOUR_MIN, HOUR_MAX)


class HoursAbsent(msgspec.Struct, frozen=True, tag="absent"):
    """Module -> hub: of the hours wanted the ring does not hold these.

    `oldest` and `newest` are the hours that it holds; None: none. Hours after `newest` may still
    come.
    """

    serial: Serial
    input: Input
    spans: HourSpans
    oldest: Hour | None = None
    newest: Hour | None = None

    def __post_init__(self) -> None:
        check_spans("hours", self.spans, HOUR_MIN, HOUR_MAX)
