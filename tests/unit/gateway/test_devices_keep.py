"""What outlives a gateway of its devices: counters, readings under way, the last hours."""

from fractions import Fraction
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.adapters.devices import definition_at
from balans.core.errors import InputError
from balans.domain.devices import Device
from balans.domain.devices.counter import Point, State
from balans.gateway.devices.keep import Kept, files_in, kept_of, restore
from balans.gateway.devices.ring import RING_HOURS, Ring
from balans.protocols import module
from balans.protocols.module import HoursAbsent, HoursWanted
from balans.protocols.readings import Reading, pack

HOUR = 228_000


def plug() -> Device:
    return Device(definition_at("tasmota", Path()), {"device": "d"}, 7, ["import"])


fractions = st.fractions(min_value=0, max_value=10**12, max_denominator=10**9)
points = st.none() | st.builds(Point, st.floats(0, 4e9), fractions)
states = st.builds(
    State, fractions, points, points, st.integers(-1, 876_600), st.integers(0, 2**10)
)


@given(states)
def test_counters_come_back_exactly(state: State) -> None:
    one, other = plug(), plug()
    one.restore({"import": state})
    files = files_in(Path())[0]
    data = files.encode(kept_of({"d": one}, b""))
    restore({"d": other}, msgspec.msgpack.decode(data, type=Kept))
    assert other.state == one.state == {"import": state}


def test_a_counter_of_another_weight_begins_anew() -> None:
    one, other = plug(), plug()
    one.restore({"import": State(base=Fraction(5))})
    kept = kept_of({"d": one}, b"")
    counter = msgspec.structs.replace(kept.counters["d"]["import"], pulses="7")
    restore({"d": other}, Kept({"d": {"import": counter}}))
    assert other.state["import"].base == 0
    restore({"d": other}, Kept({"gone": kept.counters["d"]}))
    assert other.state["import"].base == 0


@pytest.mark.parametrize("text", ["", "x", "1/0", "1e5/x"])
def test_numbers_that_make_no_sense_are_refused_as_a_whole(text: str) -> None:
    one = plug()
    kept = kept_of({"d": one}, b"")
    counter = msgspec.structs.replace(kept.counters["d"]["import"], base=text)
    with pytest.raises(InputError):
        restore({"d": one}, Kept({"d": {"import": counter}}))


@given(st.binary(max_size=60))
def test_any_file_is_used_or_left(data: bytes) -> None:
    Ring(data)


def test_a_damaged_file_is_not_used(tmp_path: Path) -> None:
    counters, hours = files_in(tmp_path)
    assert (counters.read(), hours.read()) == (Kept(), b"")
    (tmp_path / "devices").write_bytes(b"\xff\x00")
    assert counters.read() == Kept()
    counters.save(counters.encode(Kept({}, b"x")))
    assert counters.read().unsaved == b"x"


def test_the_ring_tells_what_it_holds_and_what_it_does_not() -> None:
    held = [Reading(7, 1, HOUR + n, 10 * n) for n in (0, 1, 3)]
    ring = Ring(pack(held))
    found, absent = ring.wanted(HoursWanted(7, 1, ((HOUR - 2, HOUR + 2), (HOUR + 3, HOUR + 5))))
    assert found == held
    assert absent == HoursAbsent(
        7, 1, ((HOUR - 2, HOUR), (HOUR + 4, HOUR + 5)), oldest=HOUR, newest=HOUR + 3
    )
    assert ring.wanted(HoursWanted(7, 1, ((HOUR, HOUR + 2),))) == (held[:2], None)
    assert ring.wanted(HoursWanted(7, 2, ((HOUR, HOUR + 2),))) == (
        [],
        HoursAbsent(7, 2, ((HOUR, HOUR + 2),)),
    )
    ring.add([Reading(7, 1, HOUR, 99)])
    assert ring.wanted(HoursWanted(7, 1, ((HOUR, HOUR + 1),)))[0] == held[:1]
    assert Ring(ring.packed()).packed() == ring.packed()


def test_an_answer_has_room_for_so_many_holes_only() -> None:
    ring = Ring(pack(Reading(7, 1, HOUR + n, n) for n in range(0, 1_400, 2)))
    found, absent = ring.wanted(HoursWanted(7, 1, ((HOUR, HOUR + 1_400),)))
    assert len(found) == 700
    assert absent is not None
    assert absent.spans[:2] == ((HOUR + 1, HOUR + 2), (HOUR + 3, HOUR + 4))
    assert module.decode(module.encode(absent)) == absent


def test_the_ring_forgets_the_oldest() -> None:
    ring = Ring()
    ring.add(Reading(7, 1, HOUR + n, n) for n in range(RING_HOURS + 2))
    found, absent = ring.wanted(HoursWanted(7, 1, ((HOUR, HOUR + 4),)))
    assert [one.hour for one in found] == [HOUR + 2, HOUR + 3]
    assert absent is not None
    assert absent.spans == ((HOUR, HOUR + 2),)
