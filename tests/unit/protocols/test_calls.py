"""Calls and what is signed: round trips, random bytes, bounds, topics."""

import contextlib
import itertools
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.core.words import CallState, StepKind
from balans.protocols import hub

START = 1_800_000_000.0
names = st.from_regex(r"\A[A-Za-z0-9_.-]{1,64}\Z")
texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=40)
watts = st.none() | st.floats(-1e9, 1e9)
versions = st.integers(0, 2**62)
tenants = st.integers(1, 2**31 - 1)


def step(
    start: float = START,
    end: float = START + 900,
    kind: StepKind = StepKind.LIMIT,
    value: float = 2000,
) -> hub.CallStep:
    return hub.CallStep(start, end, kind, value)


def call(**changes: Any) -> hub.Call:
    target = hub.CallTarget("house-1", "", (step(),))
    given_ = {"tenant": 1, "group": "t1-peak", "event": "e1", "epoch": 7, "issued": START - 600}
    return hub.Call(**{**given_, "expires": START + 3600, "targets": (target,), **changes})


@st.composite
def steps(draw: st.DrawFn) -> tuple[hub.CallStep, ...]:
    marks = sorted(draw(st.sets(st.integers(0, 3_600), min_size=2, max_size=8)))
    kinds = st.sampled_from([(StepKind.LIMIT, 0.0), (StepKind.REDUCE, 1e9), (StepKind.ECO, 3.0)])
    return tuple(
        hub.CallStep(START + first, START + last, *draw(kinds))
        for first, last in itertools.pairwise(marks)
    )


targets = st.lists(
    st.builds(hub.CallTarget, names, st.just("") | names, steps()),
    max_size=3,
    unique_by=lambda target: (target.site, target.node),
).map(tuple)
calls = st.builds(
    call,
    tenant=tenants,
    group=names,
    event=names,
    epoch=versions,
    priority=st.integers(0, 9),
    reason=texts,
    seed=versions,
    start_spread_s=st.floats(0, 3600),
    release_spread_s=st.floats(0, 3600),
    cancelled=st.booleans(),
    targets=targets,
)
keys = st.builds(hub.TrustedKey, st.binary(min_size=32, max_size=32), st.floats(0, 4e9))
messages = st.one_of(
    calls,
    st.builds(hub.Keys, versions, tenants, st.lists(keys, min_size=1, max_size=3).map(tuple)),
    st.builds(
        hub.Groups,
        versions,
        tenants,
        st.lists(names, max_size=3).map(tuple),
        st.builds(
            hub.Fallback,
            st.floats(30, 86_400),
            st.floats(0, 86_400),
            st.none() | st.floats(0, 1e9),
        ),
    ),
    st.builds(hub.Beat, st.floats(0, 4.2e9), versions),
    st.builds(
        hub.Signed,
        st.from_regex(r"\A[0-9a-f]{16}\Z"),
        st.binary(max_size=100),
        st.binary(min_size=64, max_size=64),
    ),
)


@st.composite
def reports(draw: st.DrawFn) -> hub.CallReport:
    loads = tuple(draw(st.lists(names, max_size=20, unique=True)))
    held = set(draw(st.lists(st.sampled_from(loads)))) if loads else set()
    return hub.CallReport(
        event=draw(names),
        epoch=draw(versions),
        site=draw(names),
        node=draw(st.just("") | names),
        state=draw(st.sampled_from(CallState)),
        time=draw(st.floats(0, 4.2e9)),
        detail=draw(texts),
        before_w=draw(watts),
        now_w=draw(watts),
        expected_w=draw(watts),
        loads=loads,
        held=hub.bitmap(loads, held),
        failed=hub.bitmap(loads, set(loads) - held),
    )


@given(messages)
def test_messages_come_back_as_they_went(message: hub.Message) -> None:
    assert hub.decode(hub.encode(message)) == message


@given(reports())
def test_reports_come_back_with_the_loads_they_name(report: hub.CallReport) -> None:
    found = hub.decode_call_report(hub.encode_call_report(report))
    assert found == report
    assert set(found.held_loads) | set(found.failed_loads) == set(report.loads)
    assert not set(found.held_loads) & set(found.failed_loads)


@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_but_the_wires_own_error(data: bytes) -> None:
    for decode in (hub.decode, hub.decode_call_report):
        with contextlib.suppress(hub.HubFrameError):
            decode(data)


@given(messages | reports(), st.data())
def test_damaged_messages_raise_nothing_but_the_wires_own_error(
    message: Any, data: st.DataObject
) -> None:
    is_report = isinstance(message, hub.CallReport)
    decode = hub.decode_call_report if is_report else hub.decode
    damaged = bytearray(hub.encode_call_report(message) if is_report else hub.encode(message))
    for _ in range(3):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(hub.HubFrameError):
        decode(bytes(damaged))


@dataclass(frozen=True)
class Wrong:
    """A field out of its bounds; `path` leads to it in the encoded message."""

    name: str
    path: tuple[Any, ...]
    value: Any


WRONG = [
    Wrong("tenant 0", ("tenant",), 0),
    Wrong("group leaves its topic", ("group",), "a/b"),
    Wrong("event with a wildcard", ("event",), "+"),
    Wrong("negative epoch", ("epoch",), -1),
    Wrong("holds for months", ("expires",), START + 90 * 86_400),
    Wrong("expires before it is issued", ("expires",), START - 601),
    Wrong("expires before its step ends", ("expires",), START + 10),
    Wrong("priority 10", ("priority",), 10),
    Wrong("spread over two hours", ("release_spread_s",), 7201.0),
    Wrong("part 1 of 1", ("part",), 1),
    Wrong("NaN", ("targets", 0, 2, 0, 3), float("nan")),
    Wrong("negative limit", ("targets", 0, 2, 0, 3), -1.0),
    Wrong("unknown kind", ("targets", 0, 2, 0, 2), "blackout"),
    Wrong("eco level 2000", ("targets", 0, 2, 0, 2), "eco"),
    Wrong("step without length", ("targets", 0, 2, 0, 1), START),
    Wrong("no steps", ("targets", 0, 2), []),
    Wrong(
        "97 steps", ("targets", 0, 2), [[START + n, START + n + 1, "limit", 0] for n in range(97)]
    ),
    Wrong("steps overlap", ("targets", 0, 2), [[START, START + 9, "limit", 0]] * 2),
    Wrong("a place twice", ("targets",), [["a", "", [[START, START + 9, "limit", 0]]]] * 2),
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.name)
def test_a_call_out_of_bounds_is_refused(wrong: Wrong) -> None:
    plain = msgspec.msgpack.decode(hub.encode(call()))
    place = plain
    for key in wrong.path[:-1]:
        place = place[key]
    place[wrong.path[-1]] = wrong.value
    with pytest.raises(hub.HubFrameError):
        hub.decode(msgspec.msgpack.encode(plain))


def test_a_call_that_is_too_long_is_refused() -> None:
    many = tuple(hub.CallTarget(f"house-{n}", "x" * 60, (step(),)) for n in range(1_000))
    assert len(hub.encode(call(targets=many))) > hub.CALL_BYTES
    with pytest.raises(hub.HubFrameError, match="at most 65536"):
        hub.decode(hub.encode(call(targets=many)))


def test_a_bitmap_of_another_length_is_refused() -> None:
    report = hub.CallReport("e1", 1, "house-1", "", CallState.DONE, START)
    damaged = msgspec.msgpack.encode({**msgspec.structs.asdict(report), "held": b"\x01"})
    with pytest.raises(hub.HubFrameError, match="bitmap over 0 loads"):
        hub.decode_call_report(damaged)


def test_topics_name_group_event_and_part() -> None:
    topic = hub.call_topic(call(part=2, parts=3))
    assert topic == "balans/1/group/t1-peak/call/e1/2"
    assert hub.calls_filter("t1-peak") == "balans/1/group/t1-peak/call/+/+"
    assert hub.beat_topic(3) == "balans/1/beat/3"
    topics = hub.Topics("hub-1")
    assert topics.groups == "balans/1/hub/hub-1/down/groups"
    assert topics.keys("0" * 16) == "balans/1/hub/hub-1/down/keys/0000000000000000"


def test_what_is_signed_holds_the_topic() -> None:
    envelope = hub.signed("a/b", b"body", "0" * 16, lambda data: data.ljust(64, b"."))
    assert envelope.signature.rstrip(b".") == b"balans/1 a/b\0body"
    assert hub.to_sign("a", b"b\0body") != hub.to_sign("a/b", b"body")


def test_reports_of_calls_go_before_everything_else() -> None:
    assert hub.rank_of(hub.Entry(hub.EntryKind.CALL, b""), 0) == hub.Rank.COMMAND
