"""Ed25519 (RFC 8032): keys of head-ends, signatures on what they send, and their verification."""

from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from balans.core.errors import InputError
from balans.protocols.hub import key_id

KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, its public half, and what the wire calls it.

    >>> key = SigningKey.of(bytes(32))
    >>> verify(key.public, key.sign(b"on"), b"on")
    True
    >>> verify(key.public, key.sign(b"on"), b"off")
    False
    """

    public: bytes
    _private: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def new(cls) -> "SigningKey":
        """Return a key that nobody else has."""
        private = Ed25519PrivateKey.generate()
        return cls(private.public_key().public_bytes_raw(), private)

    @classmethod
    def of(cls, private: bytes) -> "SigningKey":
        """Return the key whose private half is `private`.

        Raises
        ------
        InputError
            If it has not 32 bytes; the message does not repeat it.
        """
        if len(private) != KEY_BYTES:
            raise InputError(f"a private key of {len(private)} bytes; expected {KEY_BYTES}")
        loaded = Ed25519PrivateKey.from_private_bytes(private)
        return cls(loaded.public_key().public_bytes_raw(), loaded)

    @property
    def id(self) -> str:
        """What the wire calls the key."""
        return key_id(self.public)

    @property
    def private(self) -> bytes:
        """The private half: 32 bytes that belong in a file of their own."""
        return self._private.private_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """Return the signature of `message`, 64 bytes."""
        return self._private.sign(message)


def verify(public: bytes, signature: bytes, message: bytes) -> bool:
    """Tell whether `signature` is that of `message` by the key `public`, whatever the bytes."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
