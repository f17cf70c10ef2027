"""What simulated modules say besides reports: announcements, answers, hours they do not hold."""

import numpy as np
import pytest
from tests.unit.simulator.test_modules import MODULES, confirm

from balans.protocols.module import Answer, Ask, HoursAbsent, HoursWanted, Known
from balans.protocols.readings import readings_of
from balans.simulator.answering import ANNOUNCE_S, Answering
from balans.simulator.modules import ModuleBank

RING = 10


@pytest.fixture
def bank() -> ModuleBank:
    bank = ModuleBank(MODULES, resend_s=1.0, ring_hours=RING)
    for hour in range(100, 115):
        bank.record(hour, np.arange(6) + 100 * hour)
    for report in bank.due(0.0):
        confirm(bank, report)
    return bank


@pytest.fixture
def answering(bank: ModuleBank) -> Answering:
    return Answering(MODULES, bank, lambda: np.arange(6) + 77_000)


def test_modules_announce_themselves_until_a_hub_knows_them(answering: Answering) -> None:
    said = answering.announcements(0.0)
    assert [(one.serial, one.inputs) for one in said] == [(11, 3), (22, 1), (33, 2)]
    assert answering.announcements(ANNOUNCE_S - 1) == []
    answering.take_known(Known(22, "hub-0"))
    answering.take_known(Known(99, "hub-0"))
    assert [one.serial for one in answering.announcements(ANNOUNCE_S)] == [11, 33]


def test_a_silent_module_says_nothing(answering: Answering, bank: ModuleBank) -> None:
    bank.silence(0, 200)
    assert [one.serial for one in answering.announcements(0.0)] == [22, 33]
    assert answering.answer(Ask("a", 11, 1, 5.0), 9.0) is None
    assert answering.report_again(HoursWanted(11, 1, ((110, 112),))) is None
    bank.end_silence()
    assert answering.answer(Ask("a", 11, 1, 5.0), 9.0) is not None


def test_the_present_register_is_answered_to_the_modules_own_hub(answering: Answering) -> None:
    reply = answering.answer(Ask("a", 33, 2, 5.0), 9.0)
    assert reply == ("hub-1", Answer("a", 33, 2, 9.0, 77_005))
    none = answering.answer(Ask("b", 22, 2, 5.0), 9.0)
    assert none is not None
    assert none.message == Answer("b", 22, 2, 9.0, None)
    assert answering.answer(Ask("c", 44, 1, 5.0), 9.0) is None


def test_hours_of_the_ring_are_reported_again_and_others_are_told_absent(
    answering: Answering, bank: ModuleBank
) -> None:
    assert bank.pending == 0
    reply = answering.report_again(HoursWanted(11, 2, ((100, 107), (113, 117))))
    assert reply is not None
    assert reply.message == HoursAbsent(11, 2, ((100, 105), (115, 117)), 105, 114)
    (report,) = bank.due(10.0)
    found = readings_of(report.message.readings)
    assert [(one.input, one.hour, one.register) for one in found] == [
        (2, hour, 100 * hour + 1) for hour in (105, 106, 113, 114)
    ]
    assert confirm(bank, report) == 4
    assert bank.pending == 0


def test_all_that_is_wanted_may_be_held_or_none_of_it(
    answering: Answering, bank: ModuleBank
) -> None:
    assert answering.report_again(HoursWanted(11, 1, ((105, 115),))) is None
    assert bank.pending == RING
    none = answering.report_again(HoursWanted(22, 3, ((105, 115),)))
    assert none is not None
    assert none.message == HoursAbsent(22, 3, ((105, 115),), 105, 114)
    wide = answering.report_again(HoursWanted(33, 1, ((0, 800_000),)))
    assert wide is not None
    assert isinstance(wide.message, HoursAbsent)
    assert wide.message.spans == ((0, 800_000),)


def test_a_module_that_has_counted_nothing_yet_says_so() -> None:
    bank = ModuleBank(MODULES)
    reply = Answering(MODULES, bank, lambda: np.zeros(6, dtype=np.int64)).report_again(
        HoursWanted(11, 1, ((5, 6),))
    )
    assert reply is not None
    assert reply.message == HoursAbsent(11, 1, ((5, 6),), None, None)
