"""`HourBook`: what a hub asks its modules for, and whom it calls silent."""

import time

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from balans.protocols.hub import HourBook, Question, Silence
from balans.protocols.hub.holes import (
    ASK_AGAIN_MOST_S,
    ASK_AGAIN_S,
    FIRST_ASK_S,
    MODULES_MAX,
    RING_H,
    SPANS_MAX,
)
from balans.protocols.readings import Reading, pack, unpack


def rows(*hours: int, serial: int = 7, number: int = 1) -> np.ndarray:
    return unpack(pack([Reading(serial, number, hour, hour) for hour in hours]))


def asked(book: HourBook, now_s: float) -> list[Question]:
    """Return what is asked at once, or else when what was noticed now is due."""
    return book.due(now_s) or book.due(now_s + FIRST_ASK_S)


def test_a_gap_is_asked_for_after_a_moment_and_then_less_and_less_often() -> None:
    book = HourBook()
    book.note(rows(100, 101, 104, 107))
    assert book.due(0.0) == []
    question = Question(7, 1, ((102, 104), (105, 107)))
    assert book.due(FIRST_ASK_S - 1) == []
    assert book.due(FIRST_ASK_S) == [question]
    times: list[float] = []
    now_s = FIRST_ASK_S
    while len(times) < 12:
        now_s += 1.0
        if book.due(now_s):
            times.append(now_s)
    pauses = np.diff([FIRST_ASK_S, *times])
    assert pauses[0] == ASK_AGAIN_S
    assert (pauses[1:] >= pauses[:-1]).all()
    assert pauses[-1] == ASK_AGAIN_MOST_S


def test_what_comes_is_asked_for_no_more() -> None:
    book = HourBook()
    book.note(rows(100, 104))
    assert asked(book, 0.0) == [Question(7, 1, ((101, 104),))]
    book.note(rows(101, 103))
    (question,) = [q for t in range(1, 100) for q in book.due(FIRST_ASK_S + t)][:1]
    assert question.spans == ((102, 103),)
    book.note(rows(102))
    assert asked(book, 10_000.0) == []


def test_a_filled_gap_leaves_no_impatience_for_the_next() -> None:
    book = HourBook()
    book.note(rows(100, 102))
    assert asked(book, 0.0)
    book.note(rows(101))
    assert book.due(50.0) == []
    book.note(rows(104))
    assert book.due(60.0) == []
    assert book.due(60.0 + FIRST_ASK_S - 1) == []
    assert book.due(60.0 + FIRST_ASK_S) == [Question(7, 1, ((103, 104),))]


def test_inputs_and_modules_are_kept_apart() -> None:
    book = HourBook()
    book.note(np.concatenate([rows(1, 3), rows(2, number=2), rows(5, 8, serial=9, number=3)]))
    assert asked(book, 0.0) == [Question(7, 1, ((2, 3),)), Question(9, 3, ((6, 8),))]


def test_what_a_module_does_not_hold_is_gone_but_for_what_is_to_come() -> None:
    book = HourBook()
    book.note(rows(100, 110))
    book.want(7, 1, [(90, 95)])
    assert book.absent(7, 1, [(80, 105)], newest=103) == ((90, 95), (101, 104))
    assert asked(book, 0.0) == [Question(7, 1, ((104, 110),))]
    assert book.absent(7, 1, [(80, 105)], newest=103) == ()
    assert book.absent(7, 1, [(0, 200)], newest=None) == ()
    assert book.absent(8, 1, [(0, 200)], newest=300) == ()
    assert book.absent(7, 2, [(0, 200)], newest=300) == ()


def test_what_the_head_end_wants_is_asked_for_at_once_whether_it_was_here_or_not() -> None:
    book = HourBook()
    book.note(rows(*range(100, 110)))
    book.want(7, 1, [(102, 104)])
    book.want(8, 3, [(5, 6)])
    assert book.due(0.0) == [Question(7, 1, ((102, 104),)), Question(8, 3, ((5, 6),))]
    book.note(rows(102, 103))
    assert book.due(ASK_AGAIN_MOST_S * 2) == [Question(8, 3, ((5, 6),))]


def test_a_module_that_speaks_again_is_asked_what_it_has_not_heard() -> None:
    book = HourBook()
    book.want(7, 1, [(5, 8)])
    (question,) = book.due(0.0)
    now_s = ASK_AGAIN_S - 1
    assert book.due(now_s) == []
    book.heard(7, now_s)
    assert book.due(now_s) == [question]
    book.heard(7, now_s + 1)  # it may be answering just now
    assert book.due(now_s + 1) == []
    book.heard(8, now_s)


def test_what_is_wanted_again_was_not_gone_for_good() -> None:
    book = HourBook()
    book.want(7, 1, [(5, 8)])
    assert book.absent(7, 1, [(5, 8)], newest=20) == ((5, 8),)
    assert book.due(0.0) == []
    book.want(7, 1, [(6, 7)])
    assert book.due(0.0) == [Question(7, 1, ((6, 7),))]


def test_a_leap_of_a_modules_clock_makes_no_endless_hole() -> None:
    book = HourBook()
    book.note(rows(1_000, 800_000))
    assert asked(book, 0.0) == [Question(7, 1, ((800_001 - RING_H, 800_000),))]


def test_what_a_leaping_clock_told_is_forgotten_when_the_module_knows_better() -> None:
    book = HourBook()
    book.note(rows(1_000, 1_001))
    book.note(rows(800_000))
    (question,) = asked(book, 0.0)
    assert book.absent(7, 1, question.spans, newest=1_002) == ()
    assert asked(book, 10_000.0) == []
    book.note(rows(1_004))
    assert asked(book, 20_000.0) == [Question(7, 1, ((1_002, 1_004),))]
    assert book.silences(1_020) == [Silence(7, silent=True, last_hour=1_004)]


def test_a_question_has_a_bounded_number_of_spans_the_oldest_first() -> None:
    book = HourBook()
    book.note(rows(*range(0, 1_000, 2)))
    (question,) = asked(book, 0.0)
    assert question.spans == tuple((hour, hour + 1) for hour in range(1, 2 * SPANS_MAX, 2))


def test_more_modules_than_a_hub_can_have_take_no_memory() -> None:
    book = HourBook()
    for serial in range(MODULES_MAX + 5):
        book.note(rows(1, 3, serial=serial))
    assert len(asked(book, 0.0)) == MODULES_MAX


def test_to_look_again_costs_next_to_nothing_while_nothing_changes() -> None:
    book = HourBook()
    for number in (1, 2, 3):
        book.note(
            np.concatenate([rows(*range(0, 200, 2), serial=n, number=number) for n in range(200)])
        )
    book.due(0.0)
    began_s = time.process_time()
    for _ in range(100):
        assert book.due(1.0) == []
    assert time.process_time() - began_s < 1.0  # it was 3.2 s


def test_a_module_behind_the_clock_is_silent_until_it_reports() -> None:
    book = HourBook()
    book.note(np.concatenate([rows(100, serial=1), rows(100, serial=2)]))
    assert book.silences(101) == heard(1, 2, last_hour=100)
    assert book.silences(101) == []
    book.note(rows(105, serial=1))
    assert book.silences(105) == [Silence(2, silent=True, last_hour=100)]
    assert book.silences(105) == []
    book.note(rows(105, serial=2))
    assert book.silences(105) == [Silence(2, silent=False, last_hour=105)]


def heard(*serials: int, last_hour: int) -> list[Silence]:
    return [Silence(serial, silent=False, last_hour=last_hour) for serial in serials]


def test_a_module_that_an_earlier_book_called_silent_is_told_to_be_heard_again() -> None:
    book = HourBook()
    book.note(rows(100, serial=1))
    book.silences(110)
    reopened = HourBook()
    reopened.want(1, 1, [(100, 101)])
    assert reopened.silences(110) == []
    reopened.note(rows(110, serial=1))
    assert reopened.silences(110) == heard(1, last_hour=110)


def test_of_many_that_fall_silent_together_none_is_forgotten() -> None:
    book = HourBook()
    for serial in range(5):
        book.note(rows(100, serial=serial))
    told = [book.silences(110, most=2) for _ in range(4)]
    assert [len(part) for part in told] == [2, 2, 1, 0]
    assert {one.serial for part in told for one in part if one.silent} == set(range(5))


def test_a_step_of_the_clock_by_an_hour_makes_nobody_silent() -> None:
    book = HourBook()
    book.note(np.concatenate([rows(100, serial=1), rows(99, serial=2)]))
    assert not any(one.silent for one in book.silences(100))
    assert [book.silences(hour) for hour in (100, 101, 102, 99, 100)] == [[]] * 5


def test_a_clock_that_nobody_shares_is_not_believed() -> None:
    book = HourBook()
    book.note(np.concatenate([rows(100_000 - lag, serial=lag) for lag in (0, 0, 1, 2, 9)]))
    for hour in (0, 500_000):
        silent = [one for one in book.silences(hour) if one.silent]
        assert silent in ([Silence(9, silent=True, last_hour=99_991)], [])
    assert book.silences(0) == []


@given(st.lists(st.sets(st.integers(0, 60), min_size=1, max_size=20), min_size=1, max_size=8))
def test_the_holes_are_what_never_came_between_the_first_and_the_last(
    reports: list[set[int]],
) -> None:
    book = HourBook()
    for hours in reports:
        book.note(rows(*sorted(hours)))
    came = set().union(*reports)
    missing = set(range(min(came), max(came))) - came
    wanted = {hour for q in asked(book, 0.0) for span in q.spans for hour in range(*span)}
    assert wanted == missing
