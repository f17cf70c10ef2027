"""Ed25519 as the wire uses it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.adapters.signing import SigningKey, verify
from balans.core.errors import InputError


def test_it_is_ed25519_as_the_standard_says() -> None:
    """The first and second example of RFC 8032, section 7.1."""
    key = SigningKey.of(
        bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    )
    assert key.public.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert key.sign(b"").hex() == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )


def test_a_key_signs_what_its_public_half_verifies() -> None:
    key, other = SigningKey.new(), SigningKey.new()
    signature = key.sign(b"limit 0 W")
    assert verify(key.public, signature, b"limit 0 W")
    assert not verify(key.public, signature, b"limit 9 W")
    assert not verify(other.public, signature, b"limit 0 W")
    again = SigningKey.of(key.private)
    assert (again.public, again.id, again.sign(b"x")) == (key.public, key.id, key.sign(b"x"))
    assert key.private.hex() not in repr(key)


@given(st.binary(max_size=40), st.binary(max_size=70), st.binary(max_size=20))
def test_whatever_the_bytes_it_says_no(public: bytes, signature: bytes, message: bytes) -> None:
    assert not verify(public, signature, message)


def test_a_private_key_of_another_length_is_refused_without_repeating_it() -> None:
    with pytest.raises(InputError, match="31 bytes; expected 32") as caught:
        SigningKey.of(b"secret-secret-secret-secret-sec")
    assert "secret" not in str(caught.value)
