"""Messages between hub and head-end, and their topics. Times are Unix seconds (UTC)."""

import zlib
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from balans.core.errors import BalansError
from balans.core.words import CommandState
from balans.protocols.codec import Codec
from balans.protocols.fields import (
    NAME,
    Claim,
    Crc32,
    JournalId,
    Name,
    NodeName,
    Offset,
    Text,
    Unix,
    Watt,
    check_spans,
)
from balans.protocols.hub.calls import CALL_BYTES, Call, CallReport
from balans.protocols.hub.live import SiteStatus
from balans.protocols.hub.plans import PlanReport
from balans.protocols.hub.requests import ReadNoted, ReadNow, ReadResult, Wanted
from balans.protocols.hub.settings import Consents, Limits
from balans.protocols.hub.signed import Beat, Groups, Keys, Signed
from balans.protocols.hub.supply import SupplyAsk, SupplyOrder, SupplyReport

VERSION = 1


class HubFrameError(BalansError):
    """The bytes or the topic are no message between hub and head-end."""

    code = "hub_frame"


Span = tuple[Offset, Offset]


class EntryKind(IntEnum):
    """What the bytes of a journal entry are. A head-end keeps kinds it does not know."""

    READINGS = 1  # packed readings, see `balans.protocols.readings`
    COMMAND = 2  # `CommandReport`
    FOUND = 3  # `Found`
    MODULE = 4  # `ModuleNews`
    GONE = 5  # `HoursGone`
    SUPPLY = 7  # `SupplyReport`
    CALL = 6  # `CallReport`


class Rank(IntEnum):
    """What goes first when there is more than fits: the smaller number."""

    COMMAND = 0
    ALARM = 1
    CURRENT = 2
    ARCHIVE = 3


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One entry of the journal."""

    kind: Annotated[int, Meta(ge=0, le=255)]
    data: bytes


class Poll(msgspec.Struct, frozen=True, tag="poll"):
    """Head-end -> all hubs when it starts or can store again: answer with `Hello`."""

    time: Unix


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """Hub -> head-end on every connection and `Poll`: what the journal holds, [first, next).

    `lost` are ranges [start, end) inside it that the hub can no longer read. The head-end
    answers with `Ack`; before that the hub sends no batch. `claim` is what a hub that nobody has
    registered is recognised by, `site` its site on the site bus, `trouble` what keeps it from
    working, such as a full disk; it is sent again when that changes.
    """

    journal: JournalId
    first: Offset
    next: Offset
    lost: tuple[Span, ...] = ()
    software: Text = ""
    claim: Claim = ""
    site: NodeName = ""
    trouble: Text = ""

    def __post_init__(self) -> None:
        check_spans("lost", self.lost, self.first, self.next)
        if self.first > self.next:
            raise ValueError(f"first {self.first} lies behind next {self.next}")


class Batch(msgspec.Struct, frozen=True, tag="batch"):
    """Hub -> head-end: the entries at offsets first, first + 1, …; `crc` is CRC-32 over them.

    `rank` is that of the most urgent entry.
    """

    journal: JournalId
    first: Offset
    entries: Annotated[tuple[Entry, ...], Meta(min_length=1)]
    crc: Crc32
    rank: Annotated[int, Meta(ge=0, le=9)] = Rank.CURRENT

    @classmethod
    def of(
        cls, journal: int, first: int, entries: tuple[Entry, ...], rank: int = Rank.CURRENT
    ) -> "Batch":
        """Return the batch of `entries` with its checksum."""
        return cls(journal, first, entries, entries_crc(entries), int(rank))

    @property
    def end(self) -> int:
        """Offset after the last entry."""
        return self.first + len(self.entries)


class Refused(msgspec.Struct, frozen=True, array_like=True):
    """A range [start, end) whose content makes no sense to the head-end, and why.

    The head-end keeps the bytes aside; for delivery the range counts as stored.
    """

    start: Offset
    end: Offset
    reason: Text


class Ack(msgspec.Struct, frozen=True, tag="ack"):
    """Head-end -> hub, only after COMMIT: what is stored of a journal.

    All below `contiguous` is stored, and all from there to `end` but the `holes`.
    """

    journal: JournalId
    contiguous: Offset
    end: Offset
    holes: tuple[Span, ...] = ()
    refused: tuple[Refused, ...] = ()

    def __post_init__(self) -> None:
        check_spans("hole", self.holes, self.contiguous, self.end)
        if self.contiguous > self.end:
            raise ValueError(f"contiguous {self.contiguous} lies behind end {self.end}")


class Command(msgspec.Struct, frozen=True, tag="command"):
    """Head-end -> hub: switch a load. The id makes it at-most-once; expired ones are dropped."""

    id: Name
    load: Name
    on: bool
    created: Unix
    expires: Unix
    author: Text
    reason: Text


class CommandReport(msgspec.Struct, frozen=True):
    """State of a command, the operator's or load control's own; travels in the journal.

    `limit` names the limit that bound, `expected_w` the change of power that was expected.
    `achieved_w` is the change that was measured; it is known after the next samples, so the report
    that a command is ``confirmed`` comes a second time with it.
    """

    id: Name
    load: Name
    on: bool
    author: Text
    reason: Text
    created: Unix
    expires: Unix
    state: CommandState
    time: Unix
    limit: Text = ""
    expected_w: Watt = 0.0
    detail: Text = ""
    achieved_w: Watt | None = None


Up = Hello | Batch | SiteStatus | PlanReport | ReadResult
Unsigned = Ack | Poll | ReadNow | ReadNoted | Wanted | SupplyAsk
Binding = Command | Limits | Consents | Call | Groups | Keys | Beat | SupplyOrder
"""What a hub that knows keys takes only signed."""
Down = Unsigned | Binding | Signed
Message = Up | Down
_codec: Codec[msgspec.Struct] = Codec(Message, HubFrameError)
_report_codec: Codec[CommandReport] = Codec(CommandReport, HubFrameError)
_supply_codec: Codec[SupplyReport] = Codec(SupplyReport, HubFrameError)
_call_report_codec: Codec[CallReport] = Codec(CallReport, HubFrameError)


_KIND_BYTES = [bytes([kind]) for kind in range(256)]


def entries_crc(entries: tuple[Entry, ...]) -> int:
    """Return the CRC-32 over kinds and data of `entries`."""
    parts = [part for entry in entries for part in (_KIND_BYTES[entry.kind], entry.data)]
    return zlib.crc32(b"".join(parts))


def encode(message: Message) -> bytes:
    """Return `message` as bytes."""
    return _codec.encode(message)


def decode(data: bytes) -> Message:
    """Return the message in `data`.

    Raises
    ------
    HubFrameError
        For anything that is no message of this version, a batch with a wrong checksum, or a
        call of more than `CALL_BYTES`.
    """
    message = _codec.decode(data)
    if isinstance(message, Call) and len(data) > CALL_BYTES:
        raise HubFrameError(f"call of {len(data)} bytes; at most {CALL_BYTES} are expected")
    if isinstance(message, Batch) and message.crc != entries_crc(message.entries):
        raise HubFrameError(f"batch at offset {message.first}: wrong checksum")
    return message  # type: ignore[return-value]  # the codec decodes exactly this union


def encode_command_report(report: CommandReport) -> bytes:
    """Return `report` as the bytes of a journal entry."""
    return _report_codec.encode(report)


def decode_command_report(data: bytes) -> CommandReport:
    """Return the report in a journal entry, or raise `HubFrameError`."""
    return _report_codec.decode(data)


def encode_call_report(report: CallReport) -> bytes:
    """Return `report` as the bytes of a journal entry."""
    return _call_report_codec.encode(report)


def decode_call_report(data: bytes) -> CallReport:
    """Return the report in a journal entry, or raise `HubFrameError`."""
    return _call_report_codec.decode(data)


def call_topic(call: Call) -> str:
    """Return the topic of a call: ``balans/1/group/{group}/call/{event}/{part}``."""
    return f"balans/{VERSION}/group/{call.group}/call/{call.event}/{call.part}"


def calls_filter(group: str) -> str:
    """Return the filter of all calls of a group."""
    return f"balans/{VERSION}/group/{group}/call/+/+"


def beat_topic(tenant: int) -> str:
    """Return the topic of a tenant's `Beat`, QoS 0."""
    return f"balans/{VERSION}/beat/{tenant}"


def encode_supply_report(report: SupplyReport) -> bytes:
    """Return `report` as the bytes of a journal entry."""
    return _supply_codec.encode(report)


def decode_supply_report(data: bytes) -> SupplyReport:
    """Return the report in a journal entry, or raise `HubFrameError`."""
    return _supply_codec.decode(data)


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one hub: ``balans/1/hub/{hub}/…``."""

    hub: str

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.hub):
            raise HubFrameError(f"hub name {self.hub!r}: use 1-64 of A-Z a-z 0-9 _ . -")

    ALL_UP = f"balans/{VERSION}/hub/+/up/+"
    POLL = f"balans/{VERSION}/poll"

    @property
    def root(self) -> str:
        """Prefix of all topics of the hub."""
        return f"balans/{VERSION}/hub/{self.hub}"

    @property
    def hello(self) -> str:
        """Hub -> head-end: `Hello`, QoS 1."""
        return f"{self.root}/up/hello"

    @property
    def batch(self) -> str:
        """Hub -> head-end: `Batch`, QoS 1."""
        return f"{self.root}/up/batch"

    @property
    def status(self) -> str:
        """Hub -> head-end: `SiteStatus`, QoS 0."""
        return f"{self.root}/up/status"

    @property
    def plan(self) -> str:
        """Hub -> head-end: `PlanReport`, QoS 1."""
        return f"{self.root}/up/plan"

    @property
    def answer(self) -> str:
        """Hub -> head-end: `ReadResult`, QoS 1."""
        return f"{self.root}/up/answer"

    @property
    def ack(self) -> str:
        """Head-end -> hub: `Ack`, QoS 1."""
        return f"{self.root}/down/ack"

    @property
    def command(self) -> str:
        """Head-end -> hub: `Command`, QoS 1."""
        return f"{self.root}/down/command"

    @property
    def read(self) -> str:
        """Head-end -> hub: `ReadNow` and `ReadNoted`, QoS 1."""
        return f"{self.root}/down/read"

    @property
    def supply(self) -> str:
        """Head-end -> hub: `SupplyOrder` and `SupplyAsk`, QoS 1."""
        return f"{self.root}/down/supply"

    @property
    def wanted(self) -> str:
        """Head-end -> hub: `Wanted`, QoS 1."""
        return f"{self.root}/down/wanted"

    @property
    def limits(self) -> str:
        """Head-end -> hub: `Limits`, QoS 1, retained."""
        return f"{self.root}/down/limits"

    @property
    def consents(self) -> str:
        """Head-end -> hub: `Consents`, QoS 1, retained."""
        return f"{self.root}/down/consents"

    @property
    def groups(self) -> str:
        """Head-end -> hub: `Groups`, signed, QoS 1, retained."""
        return f"{self.root}/down/groups"

    def keys(self, signer: str) -> str:
        """Head-end -> hub: `Keys` signed by the key `signer`, QoS 1, retained; or "+" for all."""
        return f"{self.root}/down/keys/{signer}"

    @classmethod
    def parse_up(cls, topic: str) -> "Topics":
        """Return the topics of the hub that published on `topic`, or raise `HubFrameError`."""
        parts = topic.split("/")
        if len(parts) != 6 or parts[:3] != ["balans", str(VERSION), "hub"] or parts[4] != "up":
            raise HubFrameError(f"topic {topic!r} is none of a hub")
        return cls(parts[3])
