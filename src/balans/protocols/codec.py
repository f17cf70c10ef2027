"""One way to turn a message struct into bytes and back: MessagePack with a type tag."""

from typing import Generic, TypeVar

import msgspec

from balans.core.errors import BalansError
from balans.core.text import printable

MAX_BYTES = 1_000_000
M = TypeVar("M", bound=msgspec.Struct)


class Codec(Generic[M]):
    """Encodes and decodes a tagged union of message structs.

    Parameters
    ----------
    union
        The union type of all messages.
    error
        The only error `decode` raises, whatever the bytes.
    """

    def __init__(self, union: object, error: type[BalansError]) -> None:
        self._decoder = msgspec.msgpack.Decoder(union)
        self._encoder = msgspec.msgpack.Encoder()
        self._error = error

    def encode(self, message: M) -> bytes:
        """Return `message` as bytes."""
        return self._encoder.encode(message)

    def decode(self, data: bytes) -> M:
        """Return the message in `data`, or raise the codec's error."""
        if len(data) > MAX_BYTES:
            raise self._error(f"message of {len(data)} bytes; at most {MAX_BYTES} are expected")
        try:
            message: M = self._decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            what = printable(str(error))  # it may repeat what was sent
            raise self._error(f"malformed message of {len(data)} bytes: {what}") from error
        return message
