"""The life of an event and of each of its targets, as tables.

An event:

==================  ============================================  =========
state               what happens                                  becomes
==================  ============================================  =========
draft               announce                                      announced
announced           begin (its first step starts)                 active
active              end (its last step is over)                   ended
draft to active     cancel                                        cancelled
==================  ============================================  =========

A target:

==================  ============================================  =========
state               what happens                                  becomes
==================  ============================================  =========
queued, sent        send (the call is on the broker)              sent
queued to heard     hear (its gateway took the call)              heard
queued to active    start (its first step holds)                  active
queued to failed    do (what was asked is held)                   done
queued to failed    fail (it is not held, or nobody answered)     failed
queued to done      release (its steps are over, or cancelled)    released
failed              release                                       failed
queued to heard     refuse (the gateway will not)                 refused
queued to failed    opt_out (the customer leaves)                 opted_out
==================  ============================================  =========

Reports come at least once and may overtake what the head-end wrote itself, so a stage may be left
out, and what has happened already may happen again and changes nothing. A target that failed may
still obey, by another load; when its steps are over without that it stays failed, so that it is
not counted among those that let go. Released, refused and opted out are the end.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar

from balans.core.errors import BalansError


class LifeError(BalansError):
    """Something happened that the state does not allow."""

    code = "not_in_this_state"


class EventState(StrEnum):
    """Where an event stands."""

    DRAFT = "draft"
    ANNOUNCED = "announced"
    ACTIVE = "active"
    ENDED = "ended"
    CANCELLED = "cancelled"


class EventHappening(StrEnum):
    """What happens to an event."""

    ANNOUNCE = "announce"
    BEGIN = "begin"
    END = "end"
    CANCEL = "cancel"


class TargetState(StrEnum):
    """Where a target of an event stands."""

    QUEUED = "queued"
    SENT = "sent"
    HEARD = "heard"
    ACTIVE = "active"
    DONE = "done"
    FAILED = "failed"
    RELEASED = "released"
    REFUSED = "refused"
    OPTED_OUT = "opted_out"


class TargetHappening(StrEnum):
    """What happens to a target."""

    SEND = "send"
    HEAR = "hear"
    START = "start"
    DO = "do"
    FAIL = "fail"
    RELEASE = "release"
    REFUSE = "refuse"
    OPT_OUT = "opt_out"


EVENT_LIFE: Final[Mapping[EventState, Mapping[EventHappening, EventState]]] = {
    EventState.DRAFT: {
        EventHappening.ANNOUNCE: EventState.ANNOUNCED,
        EventHappening.CANCEL: EventState.CANCELLED,
    },
    EventState.ANNOUNCED: {
        EventHappening.BEGIN: EventState.ACTIVE,
        EventHappening.CANCEL: EventState.CANCELLED,
    },
    EventState.ACTIVE: {
        EventHappening.END: EventState.ENDED,
        EventHappening.CANCEL: EventState.CANCELLED,
    },
    EventState.ENDED: {},
    EventState.CANCELLED: {},
}

_S, _H = TargetState, TargetHappening
_ALWAYS: Final = {
    _H.DO: _S.DONE,
    _H.FAIL: _S.FAILED,
    _H.RELEASE: _S.RELEASED,
    _H.OPT_OUT: _S.OPTED_OUT,
}
_ANSWER: Final = {_H.HEAR: _S.HEARD, _H.START: _S.ACTIVE, _H.REFUSE: _S.REFUSED, **_ALWAYS}
TARGET_LIFE: Final[Mapping[TargetState, Mapping[TargetHappening, TargetState]]] = {
    _S.QUEUED: {_H.SEND: _S.SENT, **_ANSWER},
    _S.SENT: {_H.SEND: _S.SENT, **_ANSWER},
    _S.HEARD: _ANSWER,
    _S.ACTIVE: {_H.START: _S.ACTIVE, **_ALWAYS},
    _S.DONE: _ALWAYS,
    _S.FAILED: {**_ALWAYS, _H.RELEASE: _S.FAILED},
    _S.RELEASED: {},
    _S.REFUSED: _ANSWER,
    _S.OPTED_OUT: {},
}

FINAL_EVENTS: Final = frozenset({EventState.ENDED, EventState.CANCELLED})
FINAL_TARGETS: Final = frozenset({_S.RELEASED, _S.OPTED_OUT})

State = TypeVar("State", bound=StrEnum)
Happening = TypeVar("Happening", bound=StrEnum)


def next_event_state(state: EventState, happening: EventHappening) -> EventState:
    """Return what the event becomes.

    Raises
    ------
    LifeError
        If it cannot happen in this state.

    >>> next_event_state(EventState.ANNOUNCED, EventHappening.BEGIN)
    <EventState.ACTIVE: 'active'>
    """
    return _next(EVENT_LIFE, "event", state, happening)


def next_target_state(state: TargetState, happening: TargetHappening) -> TargetState:
    """Return what the target becomes.

    Raises
    ------
    LifeError
        If it cannot happen in this state.

    >>> next_target_state(TargetState.SENT, TargetHappening.HEAR)
    <TargetState.HEARD: 'heard'>
    """
    return _next(TARGET_LIFE, "target", state, happening)


def _next(
    life: Mapping[State, Mapping[Happening, State]], what: str, state: State, happening: Happening
) -> State:
    ways = life[state]
    if happening in ways:
        return ways[happening]
    possible = f"expected {', '.join(ways)}" if ways else "it is final"
    article = "an" if what == "event" else "a"
    raise LifeError(f"{article} {what} that is {state}: {happening} is not possible; {possible}")
