"""Batches unpacked together say what each says by itself."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from balans.core.hours import hour_of
from balans.protocols.hub import Batch, Entry, EntryKind, encode
from balans.protocols.readings import Flag, Grade, Reading, pack
from balans.storage.import_hub import import_hub_code
from balans.storage.unpacking import StoredBatch, unpack

START = datetime(2026, 3, 2, tzinfo=UTC)
readings = st.builds(
    Reading,
    st.integers(0, 2**32 - 1),
    st.integers(1, 3),
    st.integers(hour_of(START), hour_of(START) + 50),
    st.integers(0, 2**31 - 1),
    st.sampled_from([0, Flag.MAGNETIC_FIELD]),
    st.sampled_from(list(Grade)),
)
whole = st.lists(readings, max_size=4).map(pack)
broken = st.sampled_from([b"", bytes(16), bytes(8), bytes(17)])
entries = st.lists(
    st.builds(
        Entry,
        st.sampled_from([EntryKind.READINGS] * 6 + [EntryKind.COMMAND, 99]),
        st.one_of(whole, whole, broken),
    ),
    max_size=4,
)


@st.composite
def batches(draw: st.DrawFn) -> list[StoredBatch]:
    found = []
    for number in range(draw(st.integers(0, 5))):
        tenant = draw(st.integers(1, 2))
        code = draw(st.sampled_from(["hub", import_hub_code(tenant)]))
        payload = encode(Batch.of(1, 0, tuple(draw(entries))))
        if draw(st.integers(0, 9)) == 0:
            payload = payload[:-1]
        came = START + timedelta(seconds=number)
        found.append(StoredBatch(number, tenant, 7 + number, code, 1, payload, came))
    return found


@settings(max_examples=200)
@given(batches())
def test_together_they_say_what_each_says(stored: list[StoredBatch]) -> None:
    together = unpack(stored)
    alone = [unpack([one]) for one in stored]
    assert together.all_readings().tolist() == [
        row for one in alone for row in one.all_readings().tolist()
    ]
    assert together.received_s().tolist() == [
        second for one in alone for second in one.received_s().tolist()
    ]
    assert together.notes == {at: note for one in alone for at, note in one.notes.items()}


def test_each_reading_bears_its_hub_and_when_it_came() -> None:
    first, second = (Reading(5, n, hour_of(START), 10 * n, 0, Grade.ESTIMATED) for n in (1, 2))
    payloads = [encode(Batch.of(1, 0, (Entry(1, pack([one])),))) for one in (first, second)]
    hubs = (8, "hub"), (9, import_hub_code(3))
    found = unpack(
        StoredBatch(at, 3, *hub, 1, payload, START + timedelta(seconds=at))
        for at, (hub, payload) in enumerate(zip(hubs, payloads, strict=True))
    )
    rows = found.all_readings()
    assert rows["hub"].tolist() == [8, 9]
    assert rows["register"].tolist() == [10, 20]
    assert rows["flags"].tolist() == [0x100, 0x1100]  # the grade, and that people handed it over
    assert (found.received_s() - found.received_s()[0]).tolist() == [0, 1]
