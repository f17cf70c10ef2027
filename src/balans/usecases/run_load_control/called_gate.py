"""The gate between a server and load control: only what the server signed, in time and anew.

The gate opens envelopes, and refuses with a reason what is not of this hub, not of now, or known
already. It needs neither the key's mathematics nor a clock: both are brought.
"""

from collections.abc import Sequence
from enum import StrEnum

from balans.core.errors import BalansError
from balans.protocols.hub import (
    Beat,
    Binding,
    Call,
    Command,
    Consents,
    Groups,
    HubFrameError,
    Keys,
    Limits,
    Message,
    Signed,
    SupplyOrder,
    Topics,
    TrustedKey,
    Verify,
    beat_topic,
    call_topic,
    decode,
    to_sign,
)
from balans.usecases.run_load_control.called_memory import CalledMemory, digest
from balans.usecases.run_load_control.called_time import Moment, ServerClock

AHEAD_S = 300.0
"""A call may be issued this much ahead of the server's time as it is known here."""
Versioned = Limits | Consents | Groups | Keys


class Why(StrEnum):
    """Why a message of the server is refused."""

    UNSIGNED = "unsigned"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    MALFORMED = "malformed"
    WRONG_TENANT = "wrong_tenant"
    WRONG_GROUP = "wrong_group"
    EXPIRED = "expired"
    FROM_FUTURE = "from_future"
    REPLAYED = "replayed"
    NO_KEYS = "no_keys"


class RefusedError(BalansError):
    """A message is not taken; ``why`` says the reason, ``call`` is set if it is authentic."""

    code = "refused"

    def __init__(self, why: Why, message: str, call: Call | None = None) -> None:
        super().__init__(f"{why}: {message}")
        self.why = why
        self.call = call


class Gate:
    """Opens what the server sends.

    Parameters
    ----------
    topics
        Of this hub.
    pinned
        Keys of the configuration, which count until the server tells others; none: nothing is
        verified, and nothing that only a key makes safe is taken.
    verify
        Ed25519.
    memory
        What is remembered over a restart; it grows with what is taken.
    clock
        The server's time; it follows the beats that are taken.
    """

    def __init__(
        self,
        topics: Topics,
        pinned: Sequence[TrustedKey],
        verify: Verify,
        memory: CalledMemory,
        clock: ServerClock,
    ) -> None:
        self.memory = memory
        self._topics = topics
        self._pinned = tuple(pinned)
        self._verify = verify
        self._clock = clock

    def open(self, topic: str, data: bytes, moment: Moment) -> Message:
        """Return the message in `data`, which was sent on `topic`.

        Raises
        ------
        RefusedError
            If it is not to be obeyed.
        HubFrameError
            If it is no message at all.
        """
        message = decode(data)
        if not self._pinned:
            return _unverified(message)
        if not isinstance(message, Signed):
            if isinstance(message, Binding):
                raise RefusedError(Why.UNSIGNED, f"a {type(message).__name__} without a signature")
            return message
        inner = self._authentic(topic, message, moment)
        self._check_tenant(inner)
        self._check_place(topic, inner, message.key)
        self._check_freshness(inner, moment)
        self._note(inner, moment)
        return inner

    def _authentic(self, topic: str, envelope: Signed, moment: Moment) -> Message:
        kept = self.memory.keys
        trusted = {key.id: key for key in (kept.keys if kept else self._pinned)}
        key = trusted.get(envelope.key)
        if key is None:
            raise RefusedError(Why.UNKNOWN_KEY, f"key {envelope.key} is not trusted")
        if not self._verify(key.public, envelope.signature, to_sign(topic, envelope.body)):
            raise RefusedError(Why.BAD_SIGNATURE, f"not of key {envelope.key} for {topic}")
        try:
            inner = decode(envelope.body)
        except HubFrameError as error:
            raise RefusedError(Why.MALFORMED, str(error)) from error
        if not isinstance(inner, Binding):
            raise RefusedError(Why.MALFORMED, f"a {type(inner).__name__} is not signed")
        # A beat tells the time itself: with a clock that stands in 1970 no other would be taken.
        now_s = inner.time if isinstance(inner, Beat) else self._clock.now_s(moment)
        # Yet who stole a key that has ended since cannot turn the time back to when it counted.
        has_ended = self._clock.known and key.has_ended(self._clock.now_s(moment))
        if has_ended or not key.holds(now_s):
            raise RefusedError(Why.UNKNOWN_KEY, f"key {envelope.key} does not count now")
        return inner

    def _check_tenant(self, message: Message) -> None:
        groups = self.memory.groups
        match message:
            case Call() | Keys() | Groups() if groups and message.tenant != groups.tenant:
                call = message if isinstance(message, Call) else None
                raise RefusedError(Why.WRONG_TENANT, f"of tenant {message.tenant}", call)
            case _:
                pass

    def _check_place(self, topic: str, message: Message, key: str) -> None:
        groups = self.memory.groups
        match message:
            case Groups():
                fits = topic == self._topics.groups
            case Keys():
                fits = topic == self._topics.keys(key)
            case Beat():
                fits = groups is not None and topic == beat_topic(groups.tenant)
            case Call():
                fits = topic == call_topic(message)
                if groups is None or message.group not in groups.groups:
                    what = f"this hub is not in group {message.group}"
                    raise RefusedError(Why.WRONG_GROUP, what, message)
            case _:  # commands, limits, consents
                fits = True  # whoever takes it knows its topic
        if not fits:
            raise RefusedError(Why.MALFORMED, f"a {type(message).__name__} on {topic}")

    def _check_freshness(self, message: Message, moment: Moment) -> None:
        now_s = self._clock.now_s(moment)
        match message:
            case Limits() | Consents() | Groups() | Keys():
                known = self.memory.versions.get(_name(message), 0)
                if message.version < known:
                    raise RefusedError(
                        Why.REPLAYED, f"{_name(message)} {message.version}, known is {known}"
                    )
                if isinstance(message, Keys) and not _lasts(message, now_s):
                    raise RefusedError(Why.EXPIRED, "none of the keys counts any more")
                if isinstance(message, Groups) and not self._is_new(message):
                    raise RefusedError(Why.REPLAYED, f"groups {known}: with other words")
            case Beat() if message.count <= self.memory.beat:
                raise RefusedError(Why.REPLAYED, f"beat {message.count}")
            case Command() | SupplyOrder() if (
                self._clock.known and moment.now_s < message.expires <= now_s
            ):
                raise RefusedError(Why.EXPIRED, f"order {message.id}: by the server's time")
            case Call():
                self._check_call(message, now_s)
            case _:
                pass

    def _is_new(self, message: Groups) -> bool:
        """Tell whether `message` is newer than what is known, or repeats it word for word."""
        known = self.memory.groups
        return known is None or message == known or message.version > known.version

    def _check_call(self, call: Call, now_s: float) -> None:
        known = self.memory.events.get(call.event)
        what = f"event {call.event}, epoch {call.epoch}"
        if known and call.epoch < known.epoch:
            raise RefusedError(Why.REPLAYED, f"{what}: known is {known.epoch}", call)
        is_same = known is not None and call.epoch == known.epoch
        if known and is_same and known.parts.get(call.part, digest(call)) != digest(call):
            raise RefusedError(Why.REPLAYED, f"{what}: with other words", call)
        if call.expires <= now_s:
            raise RefusedError(Why.EXPIRED, what, call)
        if call.issued > now_s + AHEAD_S:
            raise RefusedError(Why.FROM_FUTURE, what, call)

    def _note(self, message: Message, moment: Moment) -> None:
        """Remember what is taken."""
        memory = self.memory
        match message:
            case Limits() | Consents() | Groups() | Keys():
                memory.versions[_name(message)] = message.version
                if isinstance(message, Groups):
                    memory.groups = message
                if isinstance(message, Keys):
                    memory.keys = message
            case Beat():
                memory.beat = message.count
                self._clock.take(message.time, moment.steady_s)
                memory.ahead_s = self._clock.ahead_s(moment)
            case Call():
                memory.note(message, self._clock.now_s(moment))
            case _:
                pass


def _unverified(message: Message) -> Message:
    """Return what a hub without keys takes: of signed messages what it took unsigned before."""
    inner = decode(message.body) if isinstance(message, Signed) else message
    if isinstance(inner, Signed | Call | Groups | Keys | Beat):
        raise RefusedError(Why.NO_KEYS, f"a {type(inner).__name__}, and no [server] keys are set")
    return inner


def _lasts(keys: Keys, now_s: float) -> bool:
    return any(key.not_after is None or key.not_after > now_s for key in keys.keys)


def _name(message: Versioned) -> str:
    return type(message).__name__.lower()
