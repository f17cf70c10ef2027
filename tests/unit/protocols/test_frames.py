"""Both wires: round trips, random and foreign bytes, bounds, topics."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.core.errors import BalansError
from balans.core.words import CommandState, LimitSource, LoadClass
from balans.protocols import hub, module
from balans.protocols.codec import MAX_BYTES
from balans.protocols.supply_words import Contact, SupplyAction

names = st.from_regex(r"\A[A-Za-z0-9_.-]{1,64}\Z")
texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=40)
unix = st.floats(0, 4.2e9)
serials = st.integers(0, 2**32 - 1)
outputs = st.integers(1, 4)
watts = st.floats(-1e9, 1e9)
offsets = st.integers(0, 2**62)
journals = st.integers(1, 2**62)
day_s = st.floats(0, 86_400)
step_s = st.floats(0.01, 3600)
phases = st.lists(watts, max_size=3).map(tuple)


@st.composite
def spans(draw: st.DrawFn) -> tuple[int, int, tuple[tuple[int, int], ...]]:
    """Return (start, end, sorted spans between)."""
    marks = sorted(draw(st.sets(st.integers(0, 10_000), min_size=2, max_size=8)))
    inner = marks[1:-1]
    return marks[0], marks[-1], tuple(zip(inner[::2], inner[1::2], strict=False))


entries = st.builds(hub.Entry, st.integers(0, 255), st.binary(max_size=60))
hellos = st.builds(
    lambda journal, span, text: hub.Hello(journal, span[0], span[1], span[2], text),
    journals,
    spans(),
    texts,
)
acks = st.builds(
    lambda journal, span, refused: hub.Ack(journal, span[0], span[1], span[2], refused),
    journals,
    spans(),
    st.lists(st.builds(hub.Refused, offsets, offsets, texts), max_size=2).map(tuple),
)
batches = st.builds(
    hub.Batch.of, journals, offsets, st.lists(entries, min_size=1, max_size=5).map(tuple)
)
node_names = st.just("") | names
amperes = st.floats(-1e6, 1e6)
shares = st.none() | st.floats(0, 1)
settings = st.builds(
    hub.LimitSetting,
    name=texts,
    source=st.sampled_from(LimitSource),
    limit_w=st.floats(0, 1e9),
    interval_s=st.integers(0, 86_400),
    zone=st.none() | texts,
    node=node_names,
    phase_a=st.none() | amperes,
    energy_wh=st.none() | st.floats(0, 1e12),
    period=st.sampled_from(hub.LimitPeriod),
    follows_peak=st.booleans(),
)
loads = st.builds(
    hub.LoadStatus,
    name=names,
    load_class=st.sampled_from(LoadClass),
    on=st.booleans(),
    power_w=st.none() | watts,
    reason=texts,
    off_left_s=st.none() | day_s,
    since=st.none() | unix,
    node=node_names,
    given_kwmin=st.floats(0, 1e9),
    released=st.booleans(),
    paused_until=st.none() | unix,
    expected_w=st.none() | watts,
    achieved_w=st.none() | watts,
)
nodes = st.builds(
    hub.NodeStatus,
    name=node_names,
    parent=node_names,
    power_w=st.none() | watts,
    allowed_w=st.none() | watts,
    headroom_w=st.none() | watts,
    limit=texts,
    phase_a=st.lists(st.none() | amperes, max_size=3).map(tuple),
    phase_limit_a=st.none() | amperes,
)
statuses = st.builds(
    hub.SiteStatus,
    seq=offsets,
    time=unix,
    step_s=step_s,
    site_w=st.none() | watts,
    limit_w=st.none() | watts,
    limit=texts,
    loads=st.lists(loads, max_size=3).map(tuple),
    phase_w=phases,
    reference_w=st.none() | watts,
    valid_s=step_s,
    nodes=st.lists(nodes, max_size=3).map(tuple),
    fairness=st.none() | st.builds(hub.Fairness, shares, shares),
    paused_until=st.none() | unix,
    guard=texts,
    plan_state=texts,
    own_limits=st.lists(settings, max_size=2).map(tuple),
)
powers = st.lists(watts, max_size=4).map(tuple)
plans = st.builds(
    hub.PlanReport,
    made=unix,
    slot_s=step_s,
    start=unix,
    state=st.sampled_from(hub.PlanState),
    reason=texts,
    price=st.lists(st.floats(-1e6, 1e6), max_size=4).map(tuple),
    expected_w=powers,
    limit_w=st.lists(st.none() | watts, max_size=4).map(tuple),
    loads=st.lists(
        st.builds(hub.PlannedLoad, names, powers, powers, st.none() | unix), max_size=2
    ).map(tuple),
    cost=st.none() | st.floats(-1e12, 1e12),
    cost_unplanned=st.none() | st.floats(-1e12, 1e12),
)
consents = st.builds(
    hub.Consents,
    version=offsets,
    loads=st.lists(
        st.builds(hub.ConsentSetting, names, st.booleans(), st.none() | unix), max_size=3
    ).map(tuple),
)
commands = st.builds(hub.Command, names, names, st.booleans(), unix, unix, texts, texts)
limits = st.builds(hub.Limits, version=offsets, limits=st.lists(settings, max_size=3).map(tuple))
hub_messages = st.one_of(
    hellos,
    acks,
    batches,
    statuses,
    plans,
    commands,
    limits,
    consents,
    st.builds(hub.Poll, unix),
    st.builds(hub.SupplyAsk, st.lists(serials, min_size=1, max_size=5).map(tuple)),
    st.builds(
        hub.SupplyOrder,
        id=names,
        module=serials,
        output=outputs,
        action=st.sampled_from(SupplyAction),
        issued=st.floats(0, 1e9),
        expires=st.floats(1.1e9, 4.2e9),
        author=texts,
        reason=texts,
        manual=st.booleans(),
    ),
)
supply_reports = st.builds(
    hub.SupplyReport,
    module=serials,
    output=outputs,
    outcome=st.sampled_from(hub.SupplyOutcome),
    time=unix,
    contact=st.sampled_from(Contact),
    since=st.none() | unix,
    id=st.just("") | names,
    action=st.none() | st.sampled_from(SupplyAction),
    author=texts,
    reason=texts,
    detail=texts,
)
reports = st.builds(
    hub.CommandReport,
    id=names,
    load=names,
    on=st.booleans(),
    author=texts,
    reason=texts,
    created=unix,
    expires=unix,
    state=st.sampled_from(CommandState),
    time=unix,
    limit=texts,
    expected_w=watts,
    detail=texts,
    achieved_w=st.none() | watts,
)
module_messages = st.one_of(
    st.builds(
        module.PowerSample,
        seq=offsets,
        time=unix,
        step_s=step_s,
        site_w=watts,
        load_w=st.dictionaries(names, watts, max_size=3),
        phase_w=phases,
        reference_w=st.none() | watts,
        node_w=st.dictionaries(names, watts, max_size=3),
        node_phase_w=st.dictionaries(names, phases, max_size=3),
    ),
    st.builds(
        module.PulseSample,
        seq=offsets,
        time=unix,
        step_s=step_s,
        count=offsets,
        last=st.none() | unix,
        load_w=st.dictionaries(names, watts, max_size=3),
    ),
    st.builds(
        module.RelaySample,
        seq=offsets,
        time=unix,
        step_s=step_s,
        over=st.booleans(),
        load_w=st.dictionaries(names, watts, max_size=3),
    ),
    st.builds(module.ModuleReport, serials, st.binary(max_size=64)),
    st.builds(module.ReportReceived, serials, st.binary(max_size=64)),
    st.builds(
        module.Switch,
        id=names,
        load=names,
        on=st.booleans(),
        issued=unix,
        expires=unix,
        max_off_s=day_s,
        author=texts,
        reason=texts,
        setpoint_w=st.none() | watts,
    ),
    st.builds(
        module.ActuatorState,
        load=names,
        on=st.booleans(),
        since=unix,
        time=unix,
        command=texts,
        refused=texts,
        setpoint_w=st.none() | watts,
    ),
    st.builds(
        module.DeviceState,
        load=names,
        time=unix,
        soc_wh=st.none() | st.floats(0, 1e12),
        energy_wh=st.none() | st.floats(0, 1e12),
        until=st.none() | unix,
    ),
    st.builds(module.Query, unix),
    st.builds(module.SupplyQuery, unix),
    st.builds(
        module.SupplyState,
        serial=serials,
        output=outputs,
        contact=st.sampled_from(Contact),
        since=unix,
        time=unix,
        order=texts,
        answers=texts,
        refused=texts,
    ),
    st.builds(
        module.SupplySwitch,
        id=names,
        serial=serials,
        output=outputs,
        action=st.sampled_from(SupplyAction),
        issued=unix,
        expires=unix,
        author=texts,
        reason=texts,
        manual=st.booleans(),
    ),
)

Decoder = Callable[[bytes], Any]
WIRES: list[tuple[Decoder, type[BalansError]]] = [
    (hub.decode, hub.HubFrameError),
    (hub.decode_command_report, hub.HubFrameError),
    (hub.decode_supply_report, hub.HubFrameError),
    (module.decode, module.ModuleFrameError),
]
wires = pytest.mark.parametrize(("decode", "error"), WIRES)


@given(hub_messages)
def test_hub_messages_round_trip(message: Any) -> None:
    assert hub.decode(hub.encode(message)) == message


@given(module_messages)
def test_module_messages_round_trip(message: Any) -> None:
    assert module.decode(module.encode(message)) == message


@given(reports)
def test_command_reports_round_trip(report: hub.CommandReport) -> None:
    assert hub.decode_command_report(hub.encode_command_report(report)) == report


@given(supply_reports)
def test_supply_reports_round_trip(report: hub.SupplyReport) -> None:
    assert hub.decode_supply_report(hub.encode_supply_report(report)) == report


@pytest.mark.parametrize("expires", [0.0, 100.0])
def test_an_order_that_ends_before_it_begins_is_none(expires: float) -> None:
    good = hub.SupplyOrder("a", 1, 1, SupplyAction.DISCONNECT, 100.0, 200.0, "dora", "x")
    data = msgspec.msgpack.decode(hub.encode(good)) | {"expires": expires}
    with pytest.raises(hub.HubFrameError, match="is not after issued"):
        hub.decode(msgspec.msgpack.encode(data))


def only_own_error(decode: Decoder, error: type[BalansError], data: bytes) -> None:
    try:
        decode(data)
    except error:
        return


@wires
@given(data=st.binary(max_size=200))
def test_random_bytes_raise_only_the_own_error(
    decode: Decoder, error: type[BalansError], data: bytes
) -> None:
    only_own_error(decode, error, data)


json_like = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.binary(max_size=8)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.sampled_from(["batch", "hello", "ack", "status", "power", "switch", "report", "limits"])
    | st.sampled_from(["plan", "consents", "pulse", "relay"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=8,
)
FIELDS = ["type", "journal", "first", "next", "entries", "crc", "seq", "time", "loads", "readings"]
FIELDS += ["nodes", "fairness", "own_limits", "made", "price", "expected_w", "version", "count"]


@wires
@given(value=json_like | st.dictionaries(st.sampled_from(FIELDS), json_like))
def test_foreign_values_raise_only_the_own_error(
    decode: Decoder, error: type[BalansError], value: object
) -> None:
    only_own_error(decode, error, msgspec.msgpack.encode(value))


@given(message=hub_messages, data=st.data())
def test_a_damaged_hub_message_raises_only_the_own_error(message: Any, data: st.DataObject) -> None:
    raw = bytearray(hub.encode(message))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    only_own_error(hub.decode, hub.HubFrameError, bytes(raw))


@wires
def test_deep_nesting_and_oversize_are_refused(decode: Decoder, error: type[BalansError]) -> None:
    with pytest.raises(error, match="malformed"):
        decode(b"\x91" * 100_000)
    with pytest.raises(error, match="at most"):
        decode(b"\x00" * (MAX_BYTES + 1))


@given(batches, st.data())
def test_a_flipped_bit_in_the_entries_fails_the_checksum(
    batch: hub.Batch, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(batch.entries) - 1))
    entry = batch.entries[index]
    damaged = bytes([*entry.data[:-1], (entry.data[-1] if entry.data else 0) ^ 1])
    wrong = (
        *batch.entries[:index],
        hub.Entry(entry.kind, damaged),
        *batch.entries[index + 1 :],
    )
    with pytest.raises(hub.HubFrameError, match=f"batch at offset {batch.first}: wrong checksum"):
        hub.decode(hub.encode(hub.Batch(batch.journal, batch.first, wrong, batch.crc)))


SWITCH = {
    "type": "switch",
    "id": "a1",
    "load": "heater",
    "on": False,
    "issued": 1.0,
    "expires": 2.0,
    "max_off_s": 900.0,
    "author": "dlm",
    "reason": "over_limit",
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("load", "heater/../x"),
        ("load", "heater\n"),
        ("load", "+"),
        ("load", ""),
        ("load", "x" * 65),
        ("issued", float("nan")),
        ("issued", -1.0),
        ("max_off_s", float("inf")),
        ("max_off_s", -1.0),
        ("max_off_s", 86_401.0),
        ("author", "a\x00b"),
        ("reason", "x" * 501),
        ("on", 1),
    ],
)
def test_a_field_out_of_bounds_is_named(field: str, value: object) -> None:
    assert module.decode(msgspec.msgpack.encode(SWITCH)).load == "heater"  # type: ignore[union-attr]
    with pytest.raises(module.ModuleFrameError, match=rf"`\$\.{field}`"):
        module.decode(msgspec.msgpack.encode({**SWITCH, field: value}))


@pytest.mark.parametrize(
    "message",
    [
        {"type": "hello", "journal": 0, "first": 0, "next": 0},
        {"type": "hello", "journal": 1, "first": 5, "next": 4},
        {"type": "hello", "journal": 1, "first": 5, "next": 9, "lost": [[4, 6]]},
        {"type": "hello", "journal": 1, "first": 0, "next": 9, "lost": [[6, 8], [2, 3]]},
        {"type": "ack", "journal": 1, "contiguous": 5, "end": 4},
        {"type": "ack", "journal": 1, "contiguous": 5, "end": 9, "holes": [[6, 6]]},
        {"type": "ack", "journal": 1, "contiguous": 5, "end": 9, "holes": [[3, 4]]},
        {"type": "ack", "journal": 1, "contiguous": 5, "end": 9, "holes": [[8, 10]]},
        {"type": "batch", "journal": 1, "first": 0, "entries": [], "crc": 0},
        {"type": "other", "journal": 1},
        {"journal": 1},
    ],
)
def test_contradictions_are_refused(message: object) -> None:
    with pytest.raises(hub.HubFrameError, match="malformed"):
        hub.decode(msgspec.msgpack.encode(message))


def test_unknown_fields_are_ignored_so_that_newer_peers_may_add_some() -> None:
    raw = msgspec.msgpack.encode({"type": "query", "time": 5.0, "colour": "blue"})
    assert module.decode(raw) == module.Query(5.0)


@given(names)
def test_a_hub_is_found_again_from_its_topics(name: str) -> None:
    topics = hub.Topics(name)
    for topic in (topics.hello, topics.batch, topics.status, topics.plan):
        assert hub.Topics.parse_up(topic) == topics


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "balans/1/hub/a/up",
        "balans/2/hub/a/up/batch",
        "balans/1/hub/a/down/ack",
        "balans/1/hub//up/batch",
        "balans/1/hub/a b/up/batch",
        "balans/1/hub/a/up/batch/x",
        "other/1/hub/a/up/batch",
    ],
)
def test_foreign_topics_are_refused(topic: str) -> None:
    with pytest.raises(hub.HubFrameError):
        hub.Topics.parse_up(topic)


@given(st.text(max_size=80))
def test_any_text_as_a_name_is_valid_or_refused(text: str) -> None:
    for topics, error in (
        (hub.Topics, hub.HubFrameError),
        (module.Topics, module.ModuleFrameError),
    ):
        try:
            root = topics(text).root
        except error:
            continue
        assert root.count("/") == 3
        assert not set("+#") & set(root)


def test_the_topics_of_a_hub() -> None:
    topics = hub.Topics("hub-1")
    assert topics.plan == "balans/1/hub/hub-1/up/plan"
    assert topics.consents == "balans/1/hub/hub-1/down/consents"


def test_the_topics_of_a_site() -> None:
    topics = module.Topics("house")
    assert topics.power == "balans/1/site/house/power"
    assert topics.query == "balans/1/site/house/query"
    assert topics.report("hub-1") == "balans/1/site/house/report/hub-1"
    assert topics.received("hub-1") == "balans/1/site/house/received/hub-1"
    assert topics.switch("heater") == "balans/1/site/house/switch/heater"
    assert topics.state("heater") == "balans/1/site/house/state/heater"
    assert topics.device("ev") == "balans/1/site/house/device/ev"
    assert topics.all_devices == "balans/1/site/house/device/+"
    assert topics.all_states == "balans/1/site/house/state/+"


@pytest.mark.parametrize(
    "content", [{"type": "a\x00b"}, {"type": "hello", "journal": 1, "first\x1b": 2}]
)
def test_an_error_repeats_no_control_characters_of_the_message(content: dict[str, Any]) -> None:
    for decode, error in (
        (hub.decode, hub.HubFrameError),
        (module.decode, module.ModuleFrameError),
    ):
        with pytest.raises(error) as raised:
            decode(msgspec.msgpack.encode(content))
        assert str(raised.value).isprintable()
