"""Hub <-> head-end: journalled entries up, acknowledgements and commands down.

Theory of operation
-------------------
The hub appends every entry to its journal under the next *offset* and publishes *batches* of
consecutive entries. The head-end stores a batch in one transaction and, after COMMIT, answers
with what it holds: the *contiguous* mark (every offset below it is stored) and the *holes*
above it. The hub trims below the contiguous mark and sends the holes again. Batches may be
lost, repeated, reordered or cut differently when they are sent again; nothing depends on it.
A journal has a random identity, so a hub that lost its disk starts a new sequence.

Beside the journal the head-end asks for a register now (`requests`), and for hours that never
came; the hub keeps what it knows of its modules' hours in a `HourBook`. Orders to disconnect or
reconnect a whole supply have messages of their own (`supply`), which load control does not know.

The broker's own acknowledgement proves nothing and is not used.
"""

from balans.protocols.hub.asking import BUSY, NO_ANSWER, NO_INPUT, Asking
from balans.protocols.hub.calls import (
    CALL_BYTES,
    Call,
    CallReport,
    CallStep,
    CallTarget,
    bitmap,
    names_of,
)
from balans.protocols.hub.entries import (
    KIND_OF,
    Found,
    HoursGone,
    ModuleNews,
    News,
    decode_news,
    encode_news,
)
from balans.protocols.hub.frames import (
    Ack,
    Batch,
    Binding,
    Command,
    CommandReport,
    Entry,
    EntryKind,
    Hello,
    HubFrameError,
    Message,
    Poll,
    Rank,
    Refused,
    Topics,
    Unsigned,
    beat_topic,
    call_topic,
    calls_filter,
    decode,
    decode_call_report,
    decode_command_report,
    decode_supply_report,
    encode,
    encode_call_report,
    encode_command_report,
    encode_supply_report,
)
from balans.protocols.hub.holes import HourBook, Question, Silence
from balans.protocols.hub.live import Fairness, LoadStatus, NodeStatus, SiteStatus
from balans.protocols.hub.plans import PlannedLoad, PlanReport, PlanState
from balans.protocols.hub.ranges import Ranges
from balans.protocols.hub.ranking import rank_of
from balans.protocols.hub.requests import (
    ReadNoted,
    ReadNow,
    ReadResult,
    ReadState,
    Wanted,
    WantedHours,
)
from balans.protocols.hub.sender import BatchSender, Introduction, Journal, JournalBehindError
from balans.protocols.hub.settings import (
    NO_POWER_LIMIT_W,
    Consents,
    ConsentSetting,
    LimitPeriod,
    Limits,
    LimitSetting,
)
from balans.protocols.hub.signed import (
    Beat,
    Fallback,
    Groups,
    KeyId,
    Keys,
    Sign,
    Signed,
    TrustedKey,
    Verify,
    key_id,
    signed,
    to_sign,
)
from balans.protocols.hub.supply import SupplyAsk, SupplyOrder, SupplyOutcome, SupplyReport

__all__ = [
    "BUSY",
    "CALL_BYTES",
    "KIND_OF",
    "NO_ANSWER",
    "NO_INPUT",
    "NO_POWER_LIMIT_W",
    "Ack",
    "Asking",
    "Batch",
    "BatchSender",
    "Beat",
    "Binding",
    "Call",
    "CallReport",
    "CallStep",
    "CallTarget",
    "Command",
    "CommandReport",
    "ConsentSetting",
    "Consents",
    "Entry",
    "EntryKind",
    "Fairness",
    "Fallback",
    "Found",
    "Groups",
    "Hello",
    "HourBook",
    "HoursGone",
    "HubFrameError",
    "Introduction",
    "Journal",
    "JournalBehindError",
    "KeyId",
    "Keys",
    "LimitPeriod",
    "LimitSetting",
    "Limits",
    "LoadStatus",
    "Message",
    "ModuleNews",
    "News",
    "NodeStatus",
    "PlanReport",
    "PlanState",
    "PlannedLoad",
    "Poll",
    "Question",
    "Ranges",
    "Rank",
    "ReadNoted",
    "ReadNow",
    "ReadResult",
    "ReadState",
    "Refused",
    "Sign",
    "Signed",
    "Silence",
    "SiteStatus",
    "SupplyAsk",
    "SupplyOrder",
    "SupplyOutcome",
    "SupplyReport",
    "Topics",
    "TrustedKey",
    "Unsigned",
    "Verify",
    "Wanted",
    "WantedHours",
    "beat_topic",
    "bitmap",
    "call_topic",
    "calls_filter",
    "decode",
    "decode_call_report",
    "decode_command_report",
    "decode_news",
    "decode_supply_report",
    "encode",
    "encode_call_report",
    "encode_command_report",
    "encode_news",
    "encode_supply_report",
    "key_id",
    "names_of",
    "rank_of",
    "signed",
    "to_sign",
]
