"""Expected and achieved: what each switching did, by the load's own meter or by the site's."""

from dataclasses import replace

import pytest
from tests.unit.usecases.control_bench import HEATER, KITCHEN, WASHER, Bench, site_of

from balans.core.words import CommandState
from balans.domain.demand.model import Load
from balans.usecases.run_load_control.effects import PENDING_STEPS, Effects
from balans.usecases.run_load_control.orders import Order
from balans.usecases.run_load_control.sensing import Reading


def order(load: str, expected_w: float, created_s: float = 60.0) -> Order:
    return Order(
        f"id-{load}", load, on=expected_w > 0, author="dlm", reason="over_limit",
        created_s=created_s, expires_s=created_s + 120.0, expected_w=expected_w,
    )  # fmt: skip


def sample(at_s: float, site_w: float, load_w: dict[str, float] | None = None) -> Reading:
    return Reading(int(at_s), at_s, 60.0, site_w, load_w or {})


def begin(effects: Effects, before: Reading, *orders: Order, at_s: float = 60.5) -> None:
    for one in orders:
        effects.ordered(one, before, "")
        effects.confirmed(one, at_s)


def achieved(effects: Effects, after: Reading) -> dict[str, float | None]:
    return {report.load: report.achieved_w for report in effects.measure(after, after.time)}


def test_a_load_with_its_own_meter_is_measured_by_it() -> None:
    effects = Effects()
    begin(effects, sample(60, 4000, {"heater": 1900.0}), order("heater", -2000.0))
    assert achieved(effects, sample(120, 3900, {"heater": 30.0})) == {"heater": -1870.0}
    assert effects.last["heater"].achieved_w == -1870.0
    assert effects.pending == {}


def test_a_load_without_is_measured_by_the_site() -> None:
    effects = Effects()
    begin(effects, sample(60, 4000), order("heater", -2000.0))
    assert achieved(effects, sample(120, 2300)) == {"heater": -1700.0}


def test_loads_switched_together_share_what_the_site_tells() -> None:
    effects = Effects()
    begin(
        effects,
        sample(60, 6000, {"metered": 1000.0}),
        order("metered", -1000.0),
        order("big", -3000.0),
        order("small", -1000.0),
    )
    assert achieved(effects, sample(120, 3000, {"metered": 0.0})) == {
        "metered": -1000.0,
        "big": -1500.0,
        "small": -500.0,
    }


def test_where_one_comes_back_and_another_is_shed_the_site_tells_of_neither() -> None:
    effects = Effects()
    begin(effects, sample(60, 4500), order("back", 1800.0), order("shed", -1795.0))
    assert achieved(effects, sample(120, 4100)) == {}
    assert effects.pending == {}
    assert effects.last["back"].achieved_w is None


def test_a_load_at_a_metered_node_moves_the_site_too() -> None:
    effects = Effects()
    before = Reading(1, 60.0, 60.0, 9000.0, node_w={"flat": 2500.0})
    for one, node in ((order("heater", -2000.0), "flat"), (order("boiler", 1500.0), "")):
        effects.ordered(one, before, node)
        effects.confirmed(one, 60.5)
    after = Reading(2, 120.0, 60.0, 8600.0, node_w={"flat": 600.0})
    assert achieved(effects, after) == {"heater": -1900.0}


def test_an_effect_is_no_larger_than_the_wire_holds() -> None:
    effects = Effects()
    begin(effects, sample(60, 1e9), order("heater", -2000.0))
    assert achieved(effects, sample(120, -1e9)) == {"heater": -1e9}
    assert effects.last["heater"].achieved_w == -1e9


def test_a_node_with_a_meter_is_nearer_than_the_site() -> None:
    effects = Effects()
    before = Reading(1, 60.0, 60.0, 9000.0, node_w={"flat": 2500.0})
    effects.ordered(order("heater", -2000.0), before, "flat")
    effects.confirmed(order("heater", -2000.0), 60.5)
    after = Reading(2, 120.0, 60.0, 9500.0, node_w={"flat": 600.0})
    assert achieved(effects, after) == {"heater": -1900.0}


def test_only_a_sample_that_began_after_the_switching_tells() -> None:
    effects = Effects()
    begin(effects, sample(60, 4000), order("heater", -2000.0), at_s=80.0)
    assert achieved(effects, sample(120, 2500)) == {}
    assert achieved(effects, sample(180, 2000)) == {"heater": -2000.0}


def test_what_was_not_confirmed_or_failed_has_no_effect() -> None:
    effects = Effects()
    effects.ordered(order("heater", -2000.0), sample(60, 4000), "")
    assert achieved(effects, sample(120, 2000)) == {}
    begin(effects, sample(60, 4000), order("washer", -500.0))
    effects.failed("washer")
    assert achieved(effects, sample(180, 2000)) == {}
    assert effects.last["washer"].achieved_w is None


def test_without_a_sample_before_it_nothing_is_told_and_not_waited_for_ever() -> None:
    effects = Effects()
    effects.ordered(order("heater", -2000.0), None, "")
    effects.confirmed(order("heater", -2000.0), 61.0)
    assert achieved(effects, sample(120, 2000)) == {}
    effects.ordered(order("heater", -2000.0), sample(60, 4000), "")
    assert achieved(effects, sample(60 + 60 * (PENDING_STEPS + 1), 4000)) == {}
    assert effects.pending == {}


def test_a_clock_that_is_set_back_takes_them_along() -> None:
    effects = Effects()
    begin(effects, sample(60, 4000), order("heater", -2000.0))
    effects.rebase(30.0)
    assert effects.pending["heater"].confirmed_s == 30.5
    assert effects.last["heater"].order.created_s == 30.0


def test_the_report_comes_a_second_time_with_the_effect() -> None:
    bench = Bench(site_of(HEATER, KITCHEN))
    bench.tick()
    bench.step(4500.0, heater=1800.0)
    (sent, confirmed) = bench.reports
    assert (sent.state, confirmed.state) == (CommandState.SENT, CommandState.CONFIRMED)
    assert (confirmed.expected_w, confirmed.achieved_w) == (-1800.0, None)
    bench.step(2700.0)
    again = bench.reports[-1]
    assert again == replace_achieved(confirmed, -1800.0)
    assert (again.limit, again.reason) == ("fuse", "over_limit")


def replace_achieved(report: object, achieved_w: float) -> object:
    import msgspec

    return msgspec.structs.replace(report, achieved_w=achieved_w)  # type: ignore[type-var]


@pytest.mark.parametrize("load", [HEATER, replace(WASHER, rated_w=2000.0)])
def test_a_persons_command_is_explained_too(load: Load) -> None:
    bench = Bench(site_of(load))
    bench.tick()
    for _ in range(6):
        bench.step(2500.0, **{load.name: 1500.0})
    bench.command(load.name, on=False)
    bench.step(1000.0)
    assert bench.achieved_w(load.name) == [-1500.0]
    status = bench.load(load.name)
    assert (status.expected_w, status.achieved_w) == (-1500.0, -1500.0)
