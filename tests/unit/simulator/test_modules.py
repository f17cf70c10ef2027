"""Modules keep every hour until a hub has confirmed exactly that register."""

from collections.abc import Iterable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from balans.core.words import Phase, PointRole, Resource
from balans.protocols.module import ReportReceived
from balans.protocols.readings import Reading, pack, readings_of
from balans.simulator.modules import READINGS_A_REPORT, RING_HOURS, ModuleBank, Report
from balans.simulator.spec import ChannelSpec, ModuleSpec


def module(serial: int, inputs: int) -> ModuleSpec:
    channels = tuple(
        ChannelSpec(
            n,
            Resource.GAS,
            1,
            0,
            f"m{serial}{n}",
            f"p{serial}{n}",
            "n",
            PointRole.CONSUMER,
            Phase.L1,
        )
        for n in range(1, inputs + 1)
    )
    return ModuleSpec(serial, f"hub-{serial % 2}", adapter=False, channels=channels)


MODULES = (module(11, 3), module(22, 1), module(33, 2))
CHANNELS = 6


def bank_with(hours: Iterable[int]) -> ModuleBank:
    bank = ModuleBank(MODULES, resend_s=1.0)
    for hour in hours:
        bank.record(hour, np.arange(CHANNELS) + 100 * hour)
    return bank


def confirm(bank: ModuleBank, report: Report) -> int:
    return bank.received(ReportReceived(report.message.serial, report.message.readings))


def test_a_report_carries_what_its_module_counted() -> None:
    reports = bank_with([5]).due(0.0)
    assert [(r.hub, r.message.serial) for r in reports] == [
        ("hub-1", 11),
        ("hub-0", 22),
        ("hub-1", 33),
    ]
    assert readings_of(reports[0].message.readings) == [
        Reading(11, 1, 5, 500),
        Reading(11, 2, 5, 501),
        Reading(11, 3, 5, 502),
    ]
    assert readings_of(reports[2].message.readings) == [
        Reading(33, 1, 5, 504),
        Reading(33, 2, 5, 505),
    ]


def test_what_is_not_confirmed_is_repeated_and_nothing_else() -> None:
    bank = bank_with([5])
    first = bank.due(0.0)
    assert bank.due(0.9) == []
    assert confirm(bank, first[1]) == 1
    again = bank.due(1.0)
    assert [report.message.serial for report in again] == [11, 33]
    assert [confirm(bank, report) for report in again] == [3, 2]
    assert bank.pending == 0
    assert bank.due(100.0) == []


def test_a_new_hour_waits_for_the_report_that_is_on_its_way() -> None:
    bank = bank_with([5])
    on_its_way = bank.due(0.0)[1]
    bank.record(6, np.full(CHANNELS, 999))
    assert bank.due(0.5) == []
    confirm(bank, on_its_way)
    (report,) = bank.due(0.5)
    assert readings_of(report.message.readings) == [Reading(22, 1, 6, 999)]


def test_only_exactly_what_was_reported_is_confirmed() -> None:
    bank = bank_with([5])
    wrong = [
        Reading(22, 1, 5, 504),  # another register
        Reading(22, 1, 6, 503),  # another hour
        Reading(22, 2, 5, 503),  # another input
        Reading(33, 1, 5, 504),  # another module than the message says
        Reading(22, 1, 5 + RING_HOURS, 503),  # same place in the ring
    ]
    assert bank.received(ReportReceived(22, pack(wrong))) == 0
    assert bank.received(ReportReceived(99, pack(wrong))) == 0
    assert bank.received(ReportReceived(22, b"")) == 0
    assert bank.pending == CHANNELS
    assert bank.received(ReportReceived(22, pack([*wrong, Reading(22, 1, 5, 503)]))) == 1


def test_reports_are_bounded_and_carry_the_oldest_hours_first() -> None:
    hours = range(1000, 1000 + 3 * READINGS_A_REPORT)
    bank = bank_with(hours)
    seen: list[Reading] = []
    for turn in range(4 * len(hours)):
        reports = [report for report in bank.due(float(turn)) if report.message.serial == 11]
        if not reports:
            break
        rows = readings_of(reports[0].message.readings)
        assert len(rows) <= READINGS_A_REPORT
        seen += rows
        confirm(bank, reports[0])
    assert seen == sorted(seen, key=lambda row: (row.hour, row.input))
    assert len(seen) == 3 * len(hours)


def test_the_ring_holds_sixty_days_and_tells_what_it_forgot() -> None:
    bank = bank_with(range(RING_HOURS))
    assert RING_HOURS >= 60 * 24
    assert bank.overwritten == 0
    assert bank.pending == CHANNELS * RING_HOURS
    bank.record(RING_HOURS, np.zeros(CHANNELS, dtype=np.int64))
    assert bank.overwritten == CHANNELS
    assert [hour for hour, _ in bank.since(RING_HOURS - 3)] == [
        RING_HOURS - 2,
        RING_HOURS - 1,
        RING_HOURS,
    ]


def test_a_silent_module_reports_everything_later() -> None:
    bank = bank_with([5])
    bank.silence(1, until_hour=7)
    assert [report.message.serial for report in bank.due(0.0)] == [11, 33]
    bank.record(6, np.zeros(CHANNELS, dtype=np.int64))
    assert 22 not in [report.message.serial for report in bank.due(10.0)]
    bank.record(7, np.zeros(CHANNELS, dtype=np.int64))
    late = next(r for r in bank.due(20.0) if r.message.serial == 22)
    assert [row.hour for row in readings_of(late.message.readings)] == [5, 6, 7]


class Traffic:
    """Modules whose reports are lost, reordered and repeated on the way to a hub."""

    def __init__(self) -> None:
        self.hour, self.now_s = 100, 0.0
        self.bank = bank_with([self.hour])
        self.arrived: dict[tuple[int, int, int], int] = {}
        self.truth = {(11, 1, 100): 10_000}
        self.on_their_way: list[Report] = []

    def arrive(self, report: Report) -> None:
        for row in readings_of(report.message.readings):
            self.arrived[row.module, row.input, row.hour] = row.register
        confirm(self.bank, report)

    def happen(self, event: str | int) -> None:
        self.now_s += 0.4
        self.on_their_way += self.bank.due(self.now_s)
        match event:
            case "hour":
                self.hour += 1
                self.bank.record(self.hour, np.arange(CHANNELS) + 100 * self.hour)
                self.truth[11, 1, self.hour] = 100 * self.hour
            case "lost":
                self.on_their_way.clear()
            case "connection":
                self.bank.hurry()
            case "restart":
                state = self.bank.snapshot()
                self.bank = ModuleBank(MODULES, resend_s=1.0)
                self.bank.restore(state)
            case int(number) if number < len(self.on_their_way):
                self.arrive(self.on_their_way[number])

    def settle(self) -> None:
        while self.bank.pending:
            self.now_s += 1.0
            for report in self.bank.due(self.now_s):
                self.arrive(report)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.sampled_from(["hour", "lost", "connection", "restart", 0, 1, 2, 3, 4, 5]), max_size=60
    )
)
def test_whatever_is_lost_everything_arrives_in_the_end(events: list[str | int]) -> None:
    traffic = Traffic()
    for event in events:
        traffic.happen(event)
    traffic.settle()
    assert len(traffic.arrived) == CHANNELS * (traffic.hour - 99)
    assert traffic.truth.items() <= traffic.arrived.items()
