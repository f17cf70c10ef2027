"""The words of delivery beside the journal, and news in it: round trips, bounds, older peers."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.protocols import hub, module
from balans.protocols.claim import claim_of
from balans.protocols.hub import (
    KIND_OF,
    Batch,
    Entry,
    EntryKind,
    Found,
    Hello,
    HoursGone,
    HubFrameError,
    ModuleNews,
    Rank,
    ReadNoted,
    ReadNow,
    ReadResult,
    ReadState,
    Wanted,
    WantedHours,
    decode_news,
    encode_news,
    rank_of,
)
from balans.protocols.hub.ranking import ALARM_H, CURRENT_H
from balans.protocols.readings import HOUR_MAX, Flag, Reading, pack

CLAIM = claim_of("hub-1", "secret")
HUB_WORDS = [
    Hello(7, 0, 3, (), "x", CLAIM, "house", "no space left"),
    Batch.of(7, 0, (Entry(1, b""),), Rank.ALARM),
    ReadNow("a", 2**32 - 1, 3, 60.0),
    ReadResult("a", 1, 1, ReadState.DONE, 1.0, 2**31 - 1, 255),
    ReadResult("a", 1, 1, ReadState.FAILED, detail="no answer"),
    ReadNoted("a"),
    Wanted((WantedHours(1, 1, ((0, 5), (7, HOUR_MAX))),)),
]
MODULE_WORDS = [
    module.Announce(1),
    module.Announce(1, 0, True, "D100", "1.2", CLAIM),  # noqa: FBT003
    module.Known(1, "hub-1"),
    module.Ask("a", 1, 1, 0.5),
    module.Answer("a", 1, 1, 1.0, None),
    module.Answer("a", 1, 1, 1.0, 5, 4),
    module.HoursWanted(1, 2, ((5, 6),)),
    module.HoursAbsent(1, 2, ((5, 6),), 7, 9),
]
NEWS = [
    Found(1, 1.0, 2, True, "D100", "1.2", CLAIM),  # noqa: FBT003
    ModuleNews(1, 1.0, silent=True, last_hour=5),
    ModuleNews(1, 1.0, silent=False),
    HoursGone(1, 3, 1.0, ((5, 6),), 7),
]


@pytest.mark.parametrize("word", HUB_WORDS)
def test_words_of_the_hub_wire_come_back_as_they_were(word: Any) -> None:
    assert hub.decode(hub.encode(word)) == word


@pytest.mark.parametrize("word", MODULE_WORDS)
def test_words_of_the_site_bus_come_back_as_they_were(word: Any) -> None:
    assert module.decode(module.encode(word)) == word


@pytest.mark.parametrize("news", NEWS)
def test_news_come_back_under_their_own_kind_only(news: Any) -> None:
    kind = KIND_OF[type(news)]
    assert decode_news(kind, encode_news(news)) == news
    other = EntryKind.FOUND if kind != EntryKind.FOUND else EntryKind.GONE
    with pytest.raises(HubFrameError, match=f"kind {other.value} holds a {type(news).__name__}"):
        decode_news(other, encode_news(news))


@given(st.binary(max_size=100), st.integers(0, 255))
def test_random_bytes_are_no_news_or_news(data: bytes, kind: int) -> None:
    try:
        news = decode_news(kind, data)
    except HubFrameError:
        return
    assert KIND_OF[type(news)] == kind


@pytest.mark.parametrize(
    ("message", "place"),
    [
        ({"type": "read", "id": "a", "module": 1, "input": 4, "ttl_s": 5.0}, "input"),
        ({"type": "read", "id": "a", "module": 1, "input": 1, "ttl_s": 61.0}, "ttl_s"),
        ({"type": "read", "id": "a", "module": 1, "input": 1, "ttl_s": 0.0}, "ttl_s"),
        ({"type": "read", "id": "a/b", "module": 1, "input": 1, "ttl_s": 1.0}, "id"),
        ({"type": "answer", "id": "a", "module": 1, "input": 1, "state": "sent"}, "sent"),
        ({"type": "answer", "id": "a", "module": 1, "input": 1, "state": "done"}, "register"),
        (
            {"type": "answer", "id": "a", "module": 1, "input": 1, "state": "failed", "time": 1.0,
             "register": 5},
            "register",
        ),
        ({"type": "wanted", "hours": []}, "hours"),
        ({"type": "wanted", "hours": [[1, 1, []]]}, "hours"),
        ({"type": "wanted", "hours": [[1, 1, [[5, 5]]]]}, "out of order"),
        ({"type": "wanted", "hours": [[1, 1, [[5, 9], [8, 10]]]]}, "out of order"),
        ({"type": "wanted", "hours": [[1, 1, [[-1, 9]]]]}, "hours"),
        ({"type": "hello", "journal": 1, "first": 0, "next": 0, "claim": "secret"}, "claim"),
        ({"type": "hello", "journal": 1, "first": 0, "next": 0, "site": "a b"}, "site"),
        ({"type": "hello", "journal": 1, "first": 0, "next": 0, "trouble": "x" * 501}, "trouble"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_on_the_hub_wire_is_refused(
    message: dict[str, Any], place: str
) -> None:
    with pytest.raises(hub.HubFrameError, match=place):
        hub.decode(msgspec.msgpack.encode(message))


@pytest.mark.parametrize(
    ("message", "place"),
    [
        ({"type": "announce", "serial": -1}, "serial"),
        ({"type": "announce", "serial": 1, "inputs": 4}, "inputs"),
        ({"type": "announce", "serial": 1, "claim": "AB" * 32}, "claim"),
        ({"type": "known", "serial": 1, "hub": "a/b"}, "hub"),
        ({"type": "reply", "id": "a", "serial": 1, "input": 1, "time": 1.0}, "register"),
        ({"type": "hours", "serial": 1, "input": 1, "spans": [[7, 5]]}, "out of order"),
        ({"type": "absent", "serial": 1, "input": 1, "spans": [[5, 7]], "oldest": -1}, "oldest"),
    ],
)
def test_what_makes_no_sense_on_the_site_bus_is_refused(
    message: dict[str, Any], place: str
) -> None:
    with pytest.raises(module.ModuleFrameError, match=place):
        module.decode(msgspec.msgpack.encode(message))


def test_older_hubs_say_less() -> None:
    hello = hub.decode(msgspec.msgpack.encode({"type": "hello", "journal": 1, "first": 0,
                                               "next": 2}))  # fmt: skip
    assert hello == Hello(1, 0, 2)
    old = {"type": "batch", "journal": 1, "first": 0, "entries": [[1, b"x"]], "crc": 0}
    old["crc"] = Batch.of(1, 0, (Entry(1, b"x"),)).crc
    batch = hub.decode(msgspec.msgpack.encode(old))
    assert isinstance(batch, Batch)
    assert batch.rank == Rank.CURRENT


def entry(hour: int, flags: int = 0) -> Entry:
    return Entry(EntryKind.READINGS, pack([Reading(1, 1, 5, 0), Reading(1, 1, hour, 7, flags)]))


@pytest.mark.parametrize(
    ("one", "rank"),
    [
        (Entry(EntryKind.COMMAND, b"rubbish"), Rank.COMMAND),
        (Entry(EntryKind.FOUND, b"rubbish"), Rank.CURRENT),
        (Entry(EntryKind.READINGS, b"rubbish"), Rank.CURRENT),
        (Entry(200, b"of a later release"), Rank.CURRENT),
        (entry(1_000), Rank.CURRENT),
        (entry(1_001 - CURRENT_H), Rank.CURRENT),
        (entry(1_000 - CURRENT_H), Rank.ARCHIVE),
        (entry(1_000, Flag.LINE_BREAK), Rank.ALARM),
        (entry(1_001 - ALARM_H, Flag.MAGNETIC_FIELD), Rank.ALARM),
        (entry(1_000 - ALARM_H, Flag.MAGNETIC_FIELD), Rank.ARCHIVE),
    ],
)
def test_an_entry_has_its_rank(one: Entry, rank: Rank) -> None:
    assert rank_of(one, 1_000) == rank


def test_a_claim_tells_nothing_of_its_secret_and_differs_by_name() -> None:
    assert len({claim_of(name, secret) for name in "ab" for secret in ("x", "y")}) == 4
    assert len(CLAIM) == 64
    assert "secret" not in CLAIM
