"""What the head-end asks of a hub: a register now, and hours that are missing in the database."""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from balans.protocols.fields import (
    Flags,
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
from balans.protocols.readings import HOUR_MAX, HOUR_MIN


class ReadState(StrEnum):
    """The life of a request to read now: queued, sent, then done, failed or expired."""

    QUEUED = "queued"
    SENT = "sent"
    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"

    @property
    def is_final(self) -> bool:
        """Whether nothing more is to come."""
        return self not in {ReadState.QUEUED, ReadState.SENT}


class ReadNow(msgspec.Struct, frozen=True, tag="read"):
    """Head-end -> hub: ask a module for the register of one input as it is now.

    `ttl_s` counts from when the hub hears it, so that no two clocks are compared. The `id` makes
    a repetition harmless: what was answered is answered again.
    """

    id: Name
    module: Serial
    input: Input
    ttl_s: WaitSeconds


class ReadResult(msgspec.Struct, frozen=True, tag="answer"):
    """Hub -> head-end: what became of a `ReadNow`; repeated until a `ReadNoted` with its id.

    With state ``done`` the register [pulses] and flags at `time` by the module's clock, else
    `detail` says why there are none.
    """

    id: Name
    module: Serial
    input: Input
    state: ReadState
    time: Unix | None = None
    register: Register | None = None
    flags: Flags = 0
    detail: Text = ""

    def __post_init__(self) -> None:
        if self.state not in {ReadState.DONE, ReadState.FAILED}:
            raise ValueError(f"state {self.state}: a result is done or failed")
        told = self.time is not None and self.register is not None
        if told != (self.state == ReadState.DONE):
            raise ValueError(f"state {self.state}: a register and its time belong to done")


class ReadNoted(msgspec.Struct, frozen=True, tag="noted"):
    """Head-end -> hub: the result of this id is stored, or of no use any more."""

    id: Name


class WantedHours(msgspec.Struct, frozen=True, array_like=True):
    """Hours of one input of a module that are missing, [start, end) each."""

    module: Serial
    input: Input
    spans: HourSpans

    def __post_init__(self) -> None:
        check_spans("hours", self.spans, HOUR_MIN, HOUR_MAX)


class Wanted(msgspec.Struct, frozen=True, tag="wanted"):
    """Head-end -> hub: these hours are not in the database, though the journal is complete.

    The hub asks the modules for them. What a module still holds comes as an ordinary report
    through the journal; of what it does not hold a `HoursGone` comes the same way.
    """

    hours: Annotated[tuple[WantedHours, ...], Meta(min_length=1, max_length=2000)]
