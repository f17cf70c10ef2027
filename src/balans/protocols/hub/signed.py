"""The envelope of what a head-end signs, so that nobody else can switch, limit or call.

Ed25519 itself is not here: whoever signs or verifies brings it as a function.
"""

import hashlib
from collections.abc import Callable
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from balans.protocols.fields import Name, Sequence, Tenant, Unix

PREFIX: Final = b"balans/1 "
Sign = Callable[[bytes], bytes]
"""Returns the signature of bytes."""
Verify = Callable[[bytes, bytes, bytes], bool]
"""Tells whether (public key, signature, bytes) belong together."""
KeyId = Annotated[str, Meta(pattern=r"\A[0-9a-f]{16}\Z")]
"""The first 16 hexadecimal digits of the SHA-256 of a public key."""
PublicKey = Annotated[bytes, Meta(min_length=32, max_length=32)]


class Signed(msgspec.Struct, frozen=True, tag="signed"):
    """Any message of a head-end in `body`, signed with `key` for the topic it is sent on."""

    key: KeyId
    body: bytes
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


class TrustedKey(msgspec.Struct, frozen=True, array_like=True):
    """A public key of a tenant, and when it may be used [not_before, not_after)."""

    public: PublicKey
    not_before: Unix = 0.0
    not_after: Unix | None = None

    @property
    def id(self) -> str:
        """What `Signed.key` calls it."""
        return key_id(self.public)

    def holds(self, now_s: float) -> bool:
        """Tell whether the key may be used at `now_s` [Unix s]."""
        return self.not_before <= now_s and not self.has_ended(now_s)

    def has_ended(self, now_s: float) -> bool:
        """Tell whether the key may be used no more at `now_s` [Unix s]."""
        return self.not_after is not None and self.not_after <= now_s


KEYS_MAX: Final = 16
"""So many keys of a tenant may count, or come to count, at a time."""


class Keys(msgspec.Struct, frozen=True, tag="keys"):
    """Head-end -> hub, retained, one for each key that signs it: the keys that count from now on.

    It replaces what was trusted before. A smaller version than the one known is a replay.
    """

    version: Sequence
    tenant: Tenant
    keys: Annotated[tuple[TrustedKey, ...], Meta(min_length=1, max_length=KEYS_MAX)]


class Fallback(msgspec.Struct, frozen=True):
    """What holds at a site when no beat has been heard for `after_s`.

    At most `limit_w` (None: only the ordinary limits), for at least `hold_s`, until beats are back.
    """

    after_s: Annotated[float, Meta(ge=30, le=86_400)] = 120.0
    hold_s: Annotated[float, Meta(ge=0, le=86_400)] = 0.0
    limit_w: Annotated[float, Meta(ge=0, le=1e9)] | None = None


class Groups(msgspec.Struct, frozen=True, tag="groups"):
    """Head-end -> hub, retained: whose hub it is, which groups it belongs to, and its fallback."""

    version: Sequence
    tenant: Tenant
    groups: Annotated[tuple[Name, ...], Meta(max_length=256)] = ()
    fallback: Fallback = Fallback()


class Beat(msgspec.Struct, frozen=True, tag="beat"):
    """Head-end -> all hubs of a tenant, every 30 s: it is there, and what time it is."""

    time: Unix
    count: Sequence


def key_id(public: bytes) -> str:
    """Return what the public key is called on the wire.

    >>> key_id(bytes(32))
    '66687aadf862bd77'
    """
    return hashlib.sha256(public).hexdigest()[:16]


def to_sign(topic: str, body: bytes) -> bytes:
    """Return what is signed: the topic too, so that no message is good on another one."""
    return PREFIX + topic.encode() + b"\0" + body


def signed(topic: str, body: bytes, key: str, sign: Sign) -> Signed:
    """Return the envelope of `body`, an encoded message, for `topic`."""
    return Signed(key, body, sign(to_sign(topic, body)))
