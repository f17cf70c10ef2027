"""Hub <-> head-end: journalled entries up, acknowledgements and commands down.

Theory of operation
-------------------
The hub appends every entry to its journal under the next *offset* and publishes *batches* of
consecutive entries. The head-end stores a batch in one transaction and, after COMMIT, answers
with what it holds: the *contiguous* mark (every offset below it is stored) and the *holes*
above it. The hub trims below the contiguous mark and sends the holes again. Batches may be
lost, repeated, reordered or cut differently when they are sent again; nothing depends on it.
A journal has a random identity, so a hub that lost its disk starts a new sequence.

The broker's own acknowledgement proves nothing and is not used.
"""

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
    Refused,
    Topics,
    decode,
    decode_command_report,
    encode,
    encode_command_report,
)
from balans.protocols.hub.live import Fairness, LoadStatus, NodeStatus, SiteStatus
from balans.protocols.hub.plans import PlannedLoad, PlanReport, PlanState
from balans.protocols.hub.ranges import Ranges
from balans.protocols.hub.sender import BatchSender, Journal, JournalBehindError
from balans.protocols.hub.settings import (
    NO_POWER_LIMIT_W,
    Consents,
    ConsentSetting,
    LimitPeriod,
    Limits,
    LimitSetting,
)

__all__ = [
    "NO_POWER_LIMIT_W",
    "Ack",
    "Batch",
    "BatchSender",
    "Command",
    "CommandReport",
    "ConsentSetting",
    "Consents",
    "Entry",
    "EntryKind",
    "Fairness",
    "Hello",
    "HubFrameError",
    "Journal",
    "JournalBehindError",
    "LimitPeriod",
    "LimitSetting",
    "Limits",
    "LoadStatus",
    "NodeStatus",
    "PlanReport",
    "PlanState",
    "PlannedLoad",
    "Poll",
    "Ranges",
    "Refused",
    "SiteStatus",
    "Topics",
    "decode",
    "decode_command_report",
    "encode",
    "encode_command_report",
]
