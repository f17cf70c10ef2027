"""The supply of a whole metering point on the site bus: an order, and the contact's feedback."""

import msgspec

from balans.protocols.fields import Name, Output, Serial, Text, Unix
from balans.protocols.supply_words import Contact, SupplyAction


class SupplySwitch(msgspec.Struct, frozen=True, tag="supply"):
    """Hub -> module: disconnect or reconnect the supply behind `output`.

    Executed at most once by `id`, never after `expires`, and only if it was `issued` after the last
    order that was obeyed: so an order that was recorded and is sent again does nothing. With
    `manual` a reconnection only arms: a person at the place presses or turns.
    """

    id: Name
    serial: Serial
    output: Output
    action: SupplyAction
    issued: Unix
    expires: Unix
    author: Text
    reason: Text
    manual: bool = False


class SupplyQuery(msgspec.Struct, frozen=True, tag="supply_query"):
    """Hub -> modules: tell what your contacts say. Sent when a hub starts, or was cut off."""

    time: Unix


class SupplyState(msgspec.Struct, frozen=True, tag="supplied"):
    """Module -> hub: the feedback of a contact or valve, not what was ordered.

    Sent after every order, every change by hand, and every query. `order` is the last order that
    moved it, empty after a hand did; `answers` the order that this answers, `refused` why that
    was not obeyed, both empty otherwise.
    """

    serial: Serial
    output: Output
    contact: Contact
    since: Unix
    time: Unix
    order: Text = ""
    answers: Text = ""
    refused: Text = ""
