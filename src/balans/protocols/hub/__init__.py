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
came; the hub keeps what it knows of its modules' hours in a `HourBook`.

The broker's own acknowledgement proves nothing and is not used.
"""

from balans.protocols.hub.asking import BUSY, NO_ANSWER, NO_INPUT, Asking
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
    Command,
    CommandReport,
    Entry,
    EntryKind,
    Hello,
    HubFrameError,
    Poll,
    Rank,
    Refused,
    Topics,
    decode,
    decode_command_report,
    encode,
    encode_command_report,
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

__all__ = [
    "BUSY",
    "KIND_OF",
    "NO_ANSWER",
    "NO_INPUT",
    "NO_POWER_LIMIT_W",
    "Ack",
    "Asking",
    "Batch",
    "BatchSender",
    "Command",
    "CommandReport",
    "ConsentSetting",
    "Consents",
    "Entry",
    "EntryKind",
    "Fairness",
    "Found",
    "Hello",
    "HourBook",
    "HoursGone",
    "HubFrameError",
    "Introduction",
    "Journal",
    "JournalBehindError",
    "LimitPeriod",
    "LimitSetting",
    "Limits",
    "LoadStatus",
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
    "Silence",
    "SiteStatus",
    "Topics",
    "Wanted",
    "WantedHours",
    "decode",
    "decode_command_report",
    "decode_news",
    "encode",
    "encode_command_report",
    "encode_news",
    "rank_of",
]
