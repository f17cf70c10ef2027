"""What a device says of the secret on its label, without saying the secret."""

from hashlib import sha256


def claim_of(name: str, secret: str) -> str:
    """Return the claim of the device `name` (serial or hub code) with the `secret` of its label.

    Who knows the secret can tell that the device is the one in front of him; who hears the claim
    learns no secret, provided it is a long random one.

    >>> claim_of("hub-1", "k7Qp2")[:12]
    '2efd55c8bfed'
    """
    return sha256(f"balans:{name}:{secret}".encode()).hexdigest()
