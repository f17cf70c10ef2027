"""`Asking`: a request to read now has one result, which is told until it is noted."""

import pytest

from balans.protocols.hub import BUSY, NO_ANSWER, Asking, ReadNow, ReadResult, ReadState
from balans.protocols.hub.asking import ASK_S, OPEN_MAX, REMEMBERED, TELL_FOR_S, TELL_S

REQUEST = ReadNow("r1", 7, 2, 40.0)
RESULT = ReadResult("r1", 7, 2, ReadState.DONE, 1_000.0, 123)


@pytest.fixture
def asking() -> Asking:
    asking = Asking()
    asking.take(REQUEST, 100.0)
    return asking


def test_the_module_is_asked_until_it_answers(asking: Asking) -> None:
    assert asking.due(100.0) == ([REQUEST], [])
    assert asking.due(100.0 + ASK_S / 2) == ([], [])
    assert asking.due(100.0 + ASK_S) == ([ReadNow("r1", 7, 2, 40.0 - ASK_S)], [])
    assert asking.answered(RESULT, 104.0)
    assert asking.due(104.0) == ([], [RESULT])


def test_the_result_is_told_until_it_is_noted(asking: Asking) -> None:
    asking.answered(RESULT, 101.0)
    assert asking.due(101.0) == ([], [RESULT])
    assert asking.due(101.0) == ([], [])
    assert asking.due(101.0 + TELL_S) == ([], [RESULT])
    assert asking.waits
    asking.noted("r1")
    assert asking.due(101.0 + 2 * TELL_S) == ([], [])
    assert not asking.waits


def test_a_silent_module_is_given_up_in_time_and_that_is_told(asking: Asking) -> None:
    for second in range(40):
        assert asking.due(100.0 + second)[1] == []
    failed = ReadResult("r1", 7, 2, ReadState.FAILED, detail=NO_ANSWER)
    assert asking.due(140.0) == ([], [failed])
    assert not asking.answered(RESULT, 141.0)


def test_a_repeated_request_is_not_asked_again_but_answered_again(asking: Asking) -> None:
    asking.due(100.0)
    asking.take(REQUEST, 101.0)
    assert asking.due(101.0) == ([], [])
    asking.answered(RESULT, 102.0)
    asking.due(102.0)
    asking.noted("r1")
    asking.take(REQUEST, 110.0)
    assert asking.due(110.0) == ([], [RESULT])


def test_an_answer_counts_for_what_was_asked(asking: Asking) -> None:
    for other in (("r2", 7, 2), ("r1", 8, 2), ("r1", 7, 1)):
        assert not asking.answered(ReadResult(*other, ReadState.DONE, 1.0, 1), 101.0)
    assert asking.answered(RESULT, 101.0)
    assert not asking.answered(ReadResult("r1", 7, 2, ReadState.DONE, 2.0, 999), 102.0)
    assert asking.due(103.0)[1] == [RESULT]


def test_a_head_end_that_never_notes_is_not_told_for_ever(asking: Asking) -> None:
    asking.answered(RESULT, 100.0)
    asking.due(100.0 + TELL_FOR_S)
    assert not asking.waits


def test_noting_before_the_result_settles_nothing(asking: Asking) -> None:
    asking.noted("r1")
    asking.noted("unknown")
    asking.answered(RESULT, 101.0)
    assert asking.due(101.0)[1] == [RESULT]


def test_a_flood_of_requests_is_refused_and_forgotten() -> None:
    asking = Asking()
    for number in range(OPEN_MAX + 3):
        asking.take(ReadNow(f"r{number}", 7, 1, 40.0), 0.0)
    questions, results = asking.due(0.0)
    assert len(questions) == OPEN_MAX
    assert [result.detail for result in results] == [BUSY] * 3
    for number in range(OPEN_MAX, 3 * REMEMBERED):
        request = ReadNow(f"r{number}", 7, 1, 1.0)
        asking.take(request, 50.0)
        asking.answered(ReadResult(request.id, 7, 1, ReadState.DONE, 1.0, 1), 50.0)
        asking.noted(request.id)
    assert len(asking._open) <= REMEMBERED + OPEN_MAX + 3
