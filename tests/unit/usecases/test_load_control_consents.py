"""Consent, pauses and own limits: what load control may touch, and what comes back at once."""

from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.usecases.control_bench import (
    FUSE,
    HEATER,
    KITCHEN,
    STEP_S,
    T0,
    WASHER,
    Bench,
    site_of,
)

from balans.core.errors import InputError
from balans.core.words import LimitSource
from balans.domain.demand.model import Load
from balans.protocols.hub import ConsentSetting, LimitSetting
from balans.usecases.run_load_control import Memory, OwnSettings
from balans.usecases.run_load_control.commands import RETRY_S

OVER_W = 4500.0
"""Site power with the heater, over the fuse of 3000 W."""


def bench_with(*loads: Load) -> Bench:
    bench = Bench(site_of(*(loads or (HEATER, KITCHEN))))
    bench.tick()
    return bench


def bench_with_heater_off() -> Bench:
    bench = bench_with()
    bench.step(OVER_W, heater=2000.0)
    assert bench.actuators.on == {"heater": False}
    return bench


def withdraw(bench: Bench, load: str = "heater") -> None:
    bench.control.set_consents([ConsentSetting(load, released=False)])


def test_a_load_without_consent_is_never_touched() -> None:
    bench = bench_with()
    withdraw(bench)
    for _ in range(20):
        assert bench.step(OVER_W, heater=2000.0) == []
    assert bench.load("heater").released is False


def test_consent_in_the_file_is_needed_too() -> None:
    bench = bench_with(replace(HEATER, released=False))
    assert bench.step(OVER_W, heater=2000.0) == []
    bench.control.set_consents([ConsentSetting("heater", released=True)])
    assert bench.step(OVER_W, heater=2000.0) == []


def test_withdrawn_consent_brings_a_load_back_at_once_and_for_good() -> None:
    bench = bench_with_heater_off()
    withdraw(bench)
    bench.tick(1.0)
    assert bench.actuators.on == {"heater": True}
    assert (bench.switches[-1].reason, bench.switches[-1].author) == ("consent_withdrawn", "dlm")
    switched = len(bench.switches)
    for _ in range(20):
        bench.step(OVER_W, heater=2000.0)
    assert len(bench.switches) == switched


def test_consent_given_again_counts_again() -> None:
    bench = bench_with_heater_off()
    withdraw(bench)
    bench.tick(1.0)
    bench.control.set_consents([])
    for _ in range(6):  # the heater has to have been on for five minutes
        bench.step(OVER_W, heater=2000.0)
    assert bench.actuators.on == {"heater": False}


def test_both_places_must_agree() -> None:
    bench = bench_with()
    bench.control.set_consents([ConsentSetting("heater", released=True)])
    bench.control.set_own(OwnSettings(consents=(ConsentSetting("heater", released=False),)))
    assert bench.step(OVER_W, heater=2000.0) == []
    bench.control.set_own(OwnSettings())
    assert bench.step(OVER_W, heater=2000.0) == ["heater off over_limit"]


def test_a_pause_brings_back_and_ends_by_itself() -> None:
    bench = bench_with_heater_off()
    end_s = bench.now_s + 600.0
    bench.control.set_consents([ConsentSetting("heater", paused_until=end_s)])
    bench.tick(1.0)
    assert bench.switches[-1].reason == "paused"
    assert bench.load("heater").paused_until == end_s
    off_s: list[float] = []
    for _ in range(15):
        off_s += [bench.now_s for word in bench.step(OVER_W, heater=2000.0) if "off" in word]
    assert off_s
    assert off_s[0] >= end_s


def test_a_pause_of_the_site_leaves_everything_alone_and_red_is_never_touched_anyway() -> None:
    bench = bench_with(HEATER, WASHER, KITCHEN)
    bench.step(5500.0, heater=2000.0, washer=1000.0)
    assert bench.actuators.on == {"heater": False, "washer": False}
    bench.control.set_own(OwnSettings(paused_until=bench.now_s + 3600.0))
    bench.tick(1.0)
    assert bench.actuators.on == {"heater": True, "washer": True}
    assert bench.control.status(bench.now_s).paused_until == bench.control.own.paused_until
    for _ in range(5):
        assert bench.step(5500.0, heater=2000.0, washer=1000.0) == []
    assert {switch.load for switch in bench.switches} == {"heater", "washer"}


def test_a_persons_off_is_no_decision_of_load_control() -> None:
    bench = bench_with()
    withdraw(bench)
    bench.step(1000.0)
    bench.command("heater", on=False)
    bench.tick(1.0)
    for _ in range(10):
        bench.step(1000.0)
    assert bench.actuators.on == {"heater": False}
    bench.tick(HEATER.max_off_s)
    assert bench.actuators.on == {"heater": True}


def test_a_load_whose_actuator_refuses_to_bring_it_back_is_asked_again() -> None:
    bench = bench_with_heater_off()
    bench.actuators.welded = {"heater"}
    withdraw(bench)
    bench.tick(1.0)
    assert bench.actuators.on == {"heater": False}
    bench.actuators.welded = set()
    for _ in range(3):
        bench.step(1000.0)
    assert bench.actuators.on == {"heater": True}
    assert bench.load("heater").on


def test_consent_that_is_withdrawn_while_a_shed_is_on_its_way() -> None:
    bench = bench_with()
    bench.deaf = True
    bench.step(OVER_W, heater=2000.0)
    withdraw(bench)
    bench.tick(1.0)
    bench.deaf = False
    bench.tell(bench.actuators.obey(bench.switches[0], bench.now_s))
    assert bench.actuators.on == {"heater": False}
    bench.tick(RETRY_S)
    assert bench.actuators.on == {"heater": True}


@pytest.mark.parametrize("by_pause", [True, False])
def test_a_shed_on_its_way_is_not_sent_again_once_the_load_is_left_alone(by_pause: bool) -> None:  # noqa: FBT001
    bench = bench_with()
    bench.deaf = True
    assert bench.step(OVER_W, heater=2000.0) == ["heater off over_limit"]
    if by_pause:
        bench.control.set_own(OwnSettings(paused_until=bench.now_s + 4 * 3600.0))
    else:
        withdraw(bench)
    sent = len(bench.switches)
    for _ in range(100):
        bench.tick(1.0)
    later = bench.switches[sent:]
    assert (later[0].on, later[0].issued) == (True, T0 + STEP_S + 1.0)
    assert all(switch.on for switch in later)
    assert bench.reports[1].detail == "superseded"
    bench.tell(bench.actuators.obey(later[0], bench.now_s))
    assert bench.load("heater").on
    assert bench.load("heater").expected_w == 0.0


def test_a_shed_that_was_on_its_way_before_a_restart_is_ended_too() -> None:
    bench = bench_with()
    bench.deaf = True
    bench.step(OVER_W, heater=2000.0)
    bench.restart()
    withdraw(bench)
    sent = len(bench.switches)
    for _ in range(30):
        bench.tick(1.0)
    assert bench.switches[sent].reason == "consent_withdrawn"
    assert all(switch.on for switch in bench.switches[sent:])


def test_what_a_person_wants_off_is_sent_on_though_the_load_is_paused() -> None:
    bench = bench_with()
    withdraw(bench)
    bench.step(1000.0)
    bench.deaf = True
    bench.command("heater", on=False)
    for _ in range(15):
        bench.tick(1.0)
    assert [switch.on for switch in bench.switches] == [False, False]


def test_consent_for_an_unknown_load_is_told() -> None:
    bench = bench_with()
    told = bench.control.set_consents([ConsentSetting("boiler", released=False)])
    assert told == ["consent for 'boiler': the site has no such load"]


# --- own limits ---


def own(limit_w: float, node: str = "") -> OwnSettings:
    return OwnSettings((LimitSetting("own", LimitSource.CUSTOMER, limit_w, node=node),))


def test_an_own_limit_is_stricter_or_without_effect() -> None:
    bench = bench_with()
    assert bench.step(2900.0, heater=2000.0) == []
    bench.control.set_own(own(2000.0))
    assert bench.step(2900.0, heater=2000.0) == ["heater off over_limit"]
    status = bench.control.status(bench.now_s)
    assert (status.limit, status.limit_w) == ("own", 2000.0)
    assert status.own_limits == bench.control.own.limits
    loose = bench_with()
    loose.control.set_own(own(9000.0))
    assert loose.step(OVER_W, heater=2000.0) == ["heater off over_limit"]
    assert loose.control.status(loose.now_s).limit == FUSE.name


def test_an_own_limit_with_the_name_of_another_is_told_apart() -> None:
    bench = bench_with()
    bench.control.set_own(OwnSettings((LimitSetting(FUSE.name, LimitSource.CUSTOMER, 2000.0),)))
    bench.step(2900.0, heater=2000.0)
    assert bench.control.status(bench.now_s).limit == "fuse (own)"


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        (LimitSetting("own", LimitSource.CUSTOMER, -1.0), "limit_w -1 is negative"),
        (LimitSetting("own", LimitSource.CUSTOMER, 1.0, node="attic"), "node 'attic' is not there"),
        (LimitSetting("own", LimitSource.OPERATOR, 1.0), "its source is not the customer"),
        (LimitSetting("own", LimitSource.CUSTOMER, 1.0, from_time="7"), "'7' is no time"),
    ],
)
def test_an_own_limit_that_cannot_be_changes_nothing(setting: LimitSetting, told: str) -> None:
    bench = bench_with()
    bench.control.set_own(own(2000.0))
    with pytest.raises(InputError, match=told):
        bench.control.set_own(OwnSettings((setting,)))
    assert bench.control.own == own(2000.0)


def test_settings_replace_one_another_by_place_and_load() -> None:
    first = LimitSetting("own", LimitSource.CUSTOMER, 2000.0)
    second = LimitSetting("own", LimitSource.CUSTOMER, 1000.0)
    flat = LimitSetting("own", LimitSource.CUSTOMER, 500.0, node="flat")
    settings = OwnSettings().with_limit(first).with_limit(flat).with_limit(second)
    assert settings.limits == (flat, second)
    assert settings.without_limit("").limits == (flat,)
    settings = settings.with_consent(ConsentSetting("a", released=False)).with_pause(9.0)
    settings = settings.with_consent(ConsentSetting("a", paused_until=5.0))
    assert settings.consents == (ConsentSetting("a", paused_until=5.0),)
    assert settings.with_consent(ConsentSetting("a")).consents == ()
    assert settings.paused_until == 9.0


# --- a restart in the middle of a shed ---


def test_a_restart_in_the_middle_of_a_shed_goes_on_with_timer_and_effect() -> None:
    bench = bench_with_heater_off()
    off_since_s = bench.now_s
    bench.step(2500.0)
    assert bench.achieved_w("heater") == [-2000.0]
    bench.restart()
    bench.tick()
    status = bench.load("heater")
    assert (status.on, status.since) == (False, off_since_s)
    assert (status.expected_w, status.achieved_w) == (-2000.0, -2000.0)
    assert status.off_left_s == HEATER.max_off_s - STEP_S
    while not bench.actuators.on["heater"]:
        bench.step(3200.0)
    assert bench.now_s - off_since_s <= HEATER.max_off_s


def test_consent_withdrawn_while_the_gateway_was_down_counts_when_it_is_back() -> None:
    bench = bench_with_heater_off()
    bench.restart()
    withdraw(bench)
    bench.tick(1.0)  # the actuator answers the query
    bench.tick(1.0)
    assert bench.actuators.on == {"heater": True}


class Story:
    """What may happen to a site, one event after the other."""

    def __init__(self) -> None:
        self.bench = bench_with(HEATER, WASHER, KITCHEN)
        self.released = True
        self.own = OwnSettings()

    def step(self, power_w: float) -> None:
        self.bench.step(power_w, heater=min(power_w, 2000.0))

    def tick(self, power_w: float) -> None:
        self.bench.tick(power_w / 100)

    def withdraw(self, _: float) -> None:
        self.release(released=False)

    def give(self, _: float) -> None:
        self.release(released=True)

    def release(self, *, released: bool) -> None:
        self.released = released
        self.bench.control.set_consents([ConsentSetting("heater", released=released)])
        self.bench.tick()

    def pause(self, power_w: float) -> None:
        self.own = self.own.with_pause(self.bench.now_s + power_w)
        self.bench.control.set_own(self.own)
        self.bench.tick()

    def restart(self, _: float) -> None:
        self.bench.restart()
        self.bench.control.set_own(self.own)
        self.release(released=self.released)
        self.bench.tick()

    def off(self, power_w: float) -> None:
        self.bench.command("heater", on=False, id_=f"op{self.bench.now_s}{power_w}")

    def on(self, power_w: float) -> None:
        self.bench.command("heater", on=True, id_=f"op{self.bench.now_s}{power_w}")

    @property
    def left_alone(self) -> bool:
        until_s = self.own.paused_until
        return not self.released or (until_s is not None and until_s > self.bench.now_s)

    def author(self) -> str:
        """Return who last switched the heater."""
        return next(s.author for s in reversed(self.bench.switches) if s.load == "heater")


EVENTS = (
    Story.step, Story.tick, Story.withdraw, Story.give, Story.pause, Story.restart, Story.off,
    Story.on,
)  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(EVENTS), st.floats(0, 8000)), max_size=40))
def test_whatever_happens_consent_and_timers_hold(
    events: list[tuple[Callable[[Story, float], None], float]],
) -> None:
    story = Story()
    bench = story.bench
    for happens, power_w in events:
        before = len(bench.switches)
        happens(story, power_w)
        shed = [s for s in bench.switches[before:] if s.author == "dlm" and not s.on]
        assert "kitchen" not in {switch.load for switch in bench.switches}
        assert not (story.left_alone and any(switch.load == "heater" for switch in shed))
        heater = bench.load("heater")
        if not heater.on:
            assert heater.since is not None
            assert bench.now_s - heater.since <= HEATER.max_off_s + 1
        if story.left_alone and not bench.actuators.on.get("heater", True):
            assert story.author() == "anna"  # what is off is off because a person wants it


def test_memory_of_an_older_release_is_read() -> None:
    old = msgspec.msgpack.encode({"states": {}, "time_s": T0})
    assert msgspec.msgpack.decode(old, type=Memory).effects.last == {}
