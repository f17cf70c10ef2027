"""What a device says of the secret on its label, without saying the secret."""

import re
from hashlib import sha256
from typing import Final

from balans.core.errors import InputError

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Letters and digits that cannot be mistaken for others (Crockford's base 32)."""

SECRET_LEAST: Final = 16
"""16 of them are 80 bits: so many that a claim cannot be searched for its secret."""

_SECRET = re.compile(rf"[{ALPHABET}]{{{SECRET_LEAST},64}}")
_READ_AS = str.maketrans("OIL", "011", " -")


def plain_secret(text: str) -> str:
    """Return a typed secret as it is meant: no blanks and dashes, capitals, O as 0, I and L as 1.

    Raises
    ------
    InputError
        If it is none; the text is not repeated.

    >>> plain_secret("4k7m-ol2n 9pqr-5tvw")
    '4K7M012N9PQR5TVW'
    """
    plain = text.strip().upper().translate(_READ_AS)
    if not _SECRET.fullmatch(plain):
        raise InputError(
            f"secret: expected the {SECRET_LEAST} or more letters and digits of the label"
        )
    return plain


def claim_of(name: str, secret: str) -> str:
    """Return the claim of the device `name` (serial or hub code) with the `secret` of its label.

    Who knows the secret can tell that the device is the one in front of him; who hears the claim
    learns no secret, provided it is a long random one. Both sides take it as `plain_secret` does.

    >>> claim_of("hub-1", "k7Qp2")[:12]
    '2efd55c8bfed'
    """
    return sha256(f"balans:{name}:{secret}".encode()).hexdigest()
