"""Orders to disconnect or reconnect a whole supply, and what a hub tells of them.

The head-end sends a `SupplyOrder` again and again until the hub's outcome is stored, or the order
expires; its id makes that harmless. A hub tells everything through its journal, as safe as a
reading: first that it has heard the order (it does nothing before that is durable), then what came
of it, and whatever a contact does by itself.
"""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from balans.protocols.fields import Name, NodeName, Output, Serial, Text, Unix
from balans.protocols.supply_words import Contact, SupplyAction


class SupplyOrder(msgspec.Struct, frozen=True, tag="supply"):
    """Head-end -> hub: switch the supply behind an output of a module.

    With `manual` a reconnection only clears the state: a person at the place turns it on. A module
    obeys only what was `issued` after the last order that it has obeyed.
    """

    id: Name
    module: Serial
    output: Output
    action: SupplyAction
    issued: Unix
    expires: Unix
    author: Text
    reason: Text
    manual: bool = False

    def __post_init__(self) -> None:
        if self.expires <= self.issued:
            raise ValueError(f"expires {self.expires} is not after issued {self.issued}")


class SupplyAsk(msgspec.Struct, frozen=True, tag="supply_ask"):
    """Head-end -> hub: it is not known what the contacts of these modules say; tell it."""

    modules: Annotated[tuple[Serial, ...], Meta(min_length=1, max_length=500)]


class SupplyOutcome(StrEnum):
    """What a report is about: an order heard, what came of it, or a contact alone (``told``)."""

    HEARD = "heard"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    REFUSED = "refused"
    TOLD = "told"


class SupplyReport(msgspec.Struct, frozen=True):
    """Entry of the journal, kind ``SUPPLY``: an order's outcome, or what a contact says.

    `id`, `action`, `author` and `reason` are those of the order, empty without one. `contact` is
    the feedback since `since` by the module's clock, as far as it is known. `detail` says why an
    order failed or was refused.
    """

    module: Serial
    output: Output
    outcome: SupplyOutcome
    time: Unix
    contact: Contact = Contact.UNKNOWN
    since: Unix | None = None
    id: NodeName = ""
    action: SupplyAction | None = None
    author: Text = ""
    reason: Text = ""
    detail: Text = ""
