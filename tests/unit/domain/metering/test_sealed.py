"""A sealed month gives back every register, and knows which were missing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from balans.domain.metering import MISSING
from balans.domain.metering.sealed import (
    SealedError,
    pack_marks,
    seal,
    unpack_marks,
    unseal,
)

LARGEST = 2**31 - 1
anything = hnp.arrays(
    np.int32,
    st.tuples(st.integers(1, 5), st.integers(1, 50)),
    elements=st.one_of(st.just(MISSING), st.integers(0, 300), st.integers(0, LARGEST)),
)


def there_and_back(registers: np.ndarray) -> np.ndarray:
    rows = seal(registers)
    base = np.array([row.base for row in rows], np.int64)
    return unseal(base, [row.steps for row in rows], registers.shape[1])


@given(anything)
def test_registers_come_back_exactly(registers: np.ndarray) -> None:
    assert there_and_back(registers).tolist() == registers.tolist()


@given(st.integers(1, 744), st.data())
def test_a_whole_month_of_small_steps_takes_a_byte_an_hour(hours: int, data: st.DataObject) -> None:
    steps = data.draw(hnp.arrays(np.int32, hours, elements=st.integers(0, 127)))
    registers = (np.cumsum(steps, dtype=np.int32) + 1000)[np.newaxis]
    (row,) = seal(registers)
    assert len(row.steps) == hours
    assert there_and_back(registers).tolist() == registers.tolist()


@pytest.mark.parametrize(
    ("registers", "width"),
    [
        ([5, 132], 1),
        ([5, 133], 2),
        ([133, 5], 2),
        ([0, 32_767], 2),
        ([0, 32_768], 4),
        ([LARGEST, 0], 4),
        ([0, LARGEST], 4),
        ([MISSING, MISSING], 1),
        ([LARGEST, MISSING], 1),
    ],
)
def test_steps_are_as_wide_as_the_largest_needs(registers: list[int], width: int) -> None:
    found = np.array([registers], np.int32)
    (row,) = seal(found)
    assert len(row.steps) == width * len(registers)
    assert there_and_back(found).tolist() == [registers]


@given(st.binary(max_size=60), st.integers(0, LARGEST), st.integers(1, 20))
def test_other_bytes_give_registers_or_the_own_error(data: bytes, base: int, hours: int) -> None:
    try:
        found = unseal(np.array([base]), [data], hours)
    except SealedError:
        return
    assert found.shape == (1, hours)
    assert found.min() >= MISSING


@given(hnp.arrays(np.bool_, st.tuples(st.integers(1, 4), st.integers(1, 40))))
def test_marks_come_back(marks: np.ndarray) -> None:
    for row, data in zip(marks, pack_marks(marks), strict=True):
        assert (data is None) == (not row.any())
        assert unpack_marks(data or b"", len(row)).tolist() == row.tolist()


def test_marks_of_another_length_are_refused() -> None:
    with pytest.raises(SealedError, match="2 bytes are no marks of 30 hours"):
        unpack_marks(b"ab", 30)
