"""What a hub tells of its modules in journal entries, beside readings and commands."""

from typing import Annotated

import msgspec
from msgspec import Meta

from balans.protocols.codec import Codec
from balans.protocols.fields import (
    Claim,
    Hour,
    HourSpans,
    Input,
    Serial,
    Text,
    Unix,
    check_spans,
)
from balans.protocols.hub.frames import EntryKind, HubFrameError
from balans.protocols.readings import HOUR_MAX, HOUR_MIN, INPUT_MAX


class Found(msgspec.Struct, frozen=True, tag="found"):
    """Kind `FOUND`: a module has announced itself here.

    `inputs` is how many it has, `kind` its model in words of its maker, `claim` see
    `balans.protocols.claim`, `time` when the hub heard it.
    """

    serial: Serial
    time: Unix
    inputs: Annotated[int, Meta(ge=0, le=INPUT_MAX)] = INPUT_MAX
    has_adapter: bool = False
    kind: Text = ""
    software: Text = ""
    claim: Claim = ""


class ModuleNews(msgspec.Struct, frozen=True, tag="module"):
    """Kind `MODULE`: a module has fallen silent, or is heard again.

    `last_hour` is the newest hour that the hub has of it; while silent it is the last one.
    """

    serial: Serial
    time: Unix
    silent: bool
    last_hour: Hour | None = None


class HoursGone(msgspec.Struct, frozen=True, tag="gone"):
    """Kind `GONE`: a module does not hold hours that were wanted of it: they will never come.

    `oldest` is the oldest hour that its ring holds; None: it holds none.
    """

    serial: Serial
    input: Input
    time: Unix
    spans: HourSpans
    oldest: Hour | None = None

    def __post_init__(self) -> None:
        check_spans("hours", self.spans, HOUR_MIN, HOUR_MAX)


News = Found | ModuleNews | HoursGone
KIND_OF: dict[type[News], EntryKind] = {
    Found: EntryKind.FOUND,
    ModuleNews: EntryKind.MODULE,
    HoursGone: EntryKind.GONE,
}
_codec: Codec[msgspec.Struct] = Codec(News, HubFrameError)


def encode_news(news: News) -> bytes:
    """Return `news` as the bytes of a journal entry; its kind says `KIND_OF`."""
    return _codec.encode(news)


def decode_news(kind: int, data: bytes) -> News:
    """Return what an entry of `kind` says.

    Raises
    ------
    HubFrameError
        If it says nothing of this kind.
    """
    news = _codec.decode(data)
    if KIND_OF[type(news)] != kind:  # type: ignore[index]  # the codec decodes exactly this union
        raise HubFrameError(f"an entry of kind {kind} holds a {type(news).__name__}")
    return news  # type: ignore[return-value]
