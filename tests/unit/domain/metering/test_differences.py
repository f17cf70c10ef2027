import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from balans.domain.metering import MISSING, completeness, interval_energy, interval_pulses

pulses = st.lists(st.integers(0, 400), min_size=1, max_size=60)


@given(st.integers(0, 10**6), pulses)
def test_differences_give_back_what_was_counted(first: int, counted: list[int]) -> None:
    registers = np.cumsum([first, *counted])
    assert interval_pulses(registers).tolist() == counted
    assert interval_energy(registers, 10.0, 2.0).sum() == sum(counted) * 20


@given(st.integers(0, 999), pulses)
def test_a_roll_over_changes_nothing(first: int, counted: list[int]) -> None:
    registers = np.cumsum([first, *counted]) % 1000
    assert interval_pulses(registers, modulus=1000).tolist() == counted


@given(pulses, st.data())
def test_missing_is_unknown_and_never_zero(counted: list[int], data: st.DataObject) -> None:
    registers = np.cumsum([5, *counted])
    holes = data.draw(st.sets(st.integers(0, len(counted))))
    registers[list(holes)] = MISSING
    found = interval_pulses(registers)
    for index, value in enumerate(found):
        touched = index in holes or index + 1 in holes
        assert np.isnan(value) == touched
        if not touched:
            assert value == counted[index]


def test_a_register_that_went_back_is_unknown() -> None:
    assert np.isnan(interval_pulses(np.array([500, 400]))[0])
    assert np.isnan(interval_pulses(np.array([900, 300]), modulus=10_000)[0])


def test_a_register_that_went_back_through_zero_is_no_huge_rise() -> None:
    assert np.isnan(interval_pulses(np.array([2, 9_998]), modulus=10_000)[0])
    assert interval_pulses(np.array([2, 4_999]), modulus=10_000)[0] == 4_997
    assert np.isnan(interval_pulses(np.array([0, 5_000]), modulus=10_000)[0])


def test_many_channels_at_once() -> None:
    registers = np.array([[1, 3, 6], [10, -1, 30]], dtype=np.int32)
    found = interval_energy(registers, per_pulse=0.5)
    assert found[0].tolist() == [1.0, 1.5]
    assert np.isnan(found[1]).all()


def test_completeness_of_nothing_expected_is_full() -> None:
    assert completeness(np.array([], dtype=np.int32)) == 1.0
