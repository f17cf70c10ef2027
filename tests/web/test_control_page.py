"""The page of load control: tree of limits, guards, plan, fairness, and what owners decided."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from tests.web import control_town, town
from tests.web.conftest import Town
from tests.web.test_live_page import LiveTexts

from balans.protocols.hub import Fairness, LimitSetting, NodeStatus, PlannedLoad, PlanState
from balans.storage import plans
from balans.storage.live import save_statuses
from balans.storage.plans import StoredPlan
from balans.storage.registry import apply_plan
from balans.storage.scope import tenant_scope
from balans.usecases.registry_plan import LimitPlan, RegistryPlan
from balans.web.shown.limit_tree import Named, branches, limit_title, node_texts, subtree
from balans.web.shown.plan import Reading, moves, plan_view, unplanned_w

PAGE = "/sites/alice-house/control/"
HOW = Reading(ZoneInfo("Europe/Paris"), {"flat-01-wash": "Flat 1 · Laundry"}, "EUR", town.NOW)


def report(age_s: float = 0, **values: Any) -> None:
    received = datetime.now(UTC) - timedelta(seconds=age_s)
    save_statuses([("alice-hub", control_town.status(town.NOW, **values))], received)


def look(client: Client) -> LiveTexts:
    page = client.get(PAGE)
    assert page.status_code == 200
    seen = LiveTexts(page.content.decode())
    seen.texts = {key: text.strip() for key, text in seen.texts.items()}
    return seen


class TestTree:
    def test_power_limit_and_head_room_of_every_place(self, operator: Client) -> None:
        report()
        seen = look(operator)
        assert seen.texts["node..load"] == "9.00"
        assert seen.texts["node.alice-flat-01.of"] == "of 3.00 kW"
        assert seen.texts["node.alice-flat-01.free"] == "2.00 kW free"
        assert seen.texts["node.alice-flat-01.binding"] == "above it only 0.50 kW"
        assert seen.texts["node.alice-flat-02.free"] == "0.40 kW too much"
        assert seen.texts["node.alice-flat-02.level_word"] == "Over the limit"
        assert seen.texts["node.alice-flat-04.of"] == "kW"
        assert seen.texts["node.alice-flat-04.level_word"] == "No limit set"

    def test_phases_with_words_not_colour_alone(self, operator: Client) -> None:
        report()
        seen = look(operator)
        assert seen.texts["node..level_word"] == "L3: over the limit"
        assert seen.texts["node..L3"] == "33.0 of 32 A"
        assert seen.texts["node..L3_word"] == "Over the limit"
        assert seen.attributes["node..L1_level@data-level"] == "inside"
        assert seen.texts["node.alice-riser.L2"] == "– of 25 A"

    def test_the_tree_is_nested_and_named_by_the_registry(self, operator: Client) -> None:
        report()
        (top,) = operator.get(PAGE).context["tree"]
        assert (top.title, top.kind) == ("Linden Street 12", "building")
        (riser,) = top.below
        assert (riser.title, [flat.title for flat in riser.below]) == (
            "Riser A",
            ["Flat 1", "Flat 2", "Flat 4"],
        )
        assert [circuit.title for circuit in riser.below[2].below] == ["circuit-9"]

    def test_loads_that_are_off_are_counted_where_they_hang(self, operator: Client) -> None:
        report(off=["flat-02-heat"])
        seen = look(operator)
        assert seen.texts["node.alice-flat-02.off"] == "1 of 2 loads off"
        assert seen.texts["node.alice-flat-01.off"] == ""

    def test_old_head_room_is_not_passed_off_as_new(self, operator: Client) -> None:
        report(age_s=600)
        seen = look(operator)
        assert seen.texts["node.alice-flat-01.load"] == "–"
        assert seen.texts["node.alice-flat-01.free"] == ""
        assert seen.texts["node.alice-flat-01.level_word"] == "Load unknown"

    def test_a_gateway_without_a_tree(self, operator: Client) -> None:
        assert "No tree of limits yet" in operator.get(PAGE).content.decode()
        report(tree=())
        assert "No tree of limits yet" in operator.get(PAGE).content.decode()

    def test_a_part_of_the_tree(self) -> None:
        nodes = control_town.nodes()
        assert [node.name for node in subtree(nodes, "alice-flat-04")] == [
            "alice-flat-04",
            "circuit-9",
        ]
        assert subtree(nodes, "nowhere") == []
        assert subtree(nodes, "") == list(nodes)

    def test_nodes_that_lead_in_a_circle_do_no_harm(self) -> None:
        circle = (NodeStatus("a", "b"), NodeStatus("b", "a"), NodeStatus("", ""))
        status = control_town.status(town.NOW, tree=circle)
        known = {"": Named("House", "building")}
        found = branches(status, "", known)
        assert found[0].title == "House" or found[-1].title == "House"


GUARDS = {
    "sensor_lost": "The power sensor is silent.",
    "futile": "Shedding does not help",
    "switch_cap": "Many loads had to be switched at once.",
    "planner_lost": "There is no plan that still holds.",
    "something_new": "Load control is on its guard: something_new.",
}


class TestGuards:
    @pytest.mark.parametrize("code", GUARDS)
    def test_each_in_plain_words(self, operator: Client, code: str) -> None:
        report(guard=code)
        seen = look(operator)
        shown = [text for key, text in seen.texts.items() if key.startswith("guard.") and text]
        assert len(shown) == 1
        assert shown[0].startswith(GUARDS[code])

    def test_several_at_a_time(self, operator: Client) -> None:
        report(guard="sensor_lost planner_lost", paused_until=town.NOW.timestamp() + 3600)
        seen = look(operator)
        assert seen.texts["guard.sensor_lost"]
        assert seen.texts["guard.planner_lost"]
        assert "paused until 12 January, 19:00" in seen.texts["guard.paused"]
        assert seen.texts["guard.futile"] == ""

    def test_a_sensor_that_is_not_well_is_said_without_a_guard(self, operator: Client) -> None:
        report(sensor_ok=False)
        assert look(operator).texts["guard.sensor_lost"]


class TestLoads:
    def test_pause_and_consent_stand_with_the_load(self, operator: Client) -> None:
        until = town.NOW.timestamp() + 3600
        report(
            loads={
                "flat-01-heat": {"paused_until": until},
                "flat-02-heat": {"released": False},
            }
        )
        seen = look(operator)
        assert seen.texts["load.flat-01-heat.consent"] == "paused until 12 January, 19:00"
        assert seen.texts["load.flat-02-heat.consent"] == "not released by its owner"
        assert seen.texts["load.flat-03-heat.consent"] == ""


class TestFairness:
    def test_by_flat_and_by_load_with_what_the_index_means(self, operator: Client) -> None:
        report()
        page = operator.get(PAGE)
        shown = page.context["fairness"]
        assert [(one.place, one.given) for one in shown["by_place"][:3]] == [
            ("Flat 1", "120"),
            ("Flat 2", "60"),
            ("Flat 3", "20"),
        ]
        assert (shown["by_load"][0].name, shown["by_load"][0].width) == ("Water heater", "100.0%")
        assert shown["total"] == "200"
        assert (shown["nodes"]["value"], shown["nodes"]["word"]) == ("0.62", "some give up more")
        assert shown["loads"]["word"] == "few carry most"
        assert "Jain's index: 1 means that all have given up the same" in page.content.decode()

    def test_before_anybody_has_given_up_anything(self, operator: Client) -> None:
        zero = {name: {"given_kwmin": 0.0} for name in control_town.GIVEN}
        report(loads=zero, fairness=Fairness(None, None))
        assert "Nobody has given up anything yet" in operator.get(PAGE).content.decode()

    def test_an_even_share(self, operator: Client) -> None:
        report(fairness=Fairness(1.0, None))
        shown = operator.get(PAGE).context["fairness"]
        assert (shown["loads"]["word"], shown["nodes"]) == ("shared evenly", None)


def stored(**more: Any) -> StoredPlan:
    return StoredPlan(town.NOW, datetime.now(UTC), control_town.plan(town.NOW, **more))


class TestPlan:
    def test_the_page_shows_prices_power_and_what_is_put_off(self, operator: Client) -> None:
        assert "No plan yet" in operator.get(PAGE).content.decode()
        plans.store("alice-hub", control_town.plan(town.NOW), datetime.now(UTC))
        page = operator.get(PAGE)
        plan = page.context["plan"]
        assert (plan["state"], plan["is_old"]) == ("All limits can be kept", False)
        assert (plan["cost"], plan["cost_unplanned"], plan["saved"]) == ("30.50", "31.46", "0.96")
        assert (plan["peak"], plan["peak_unplanned"]) == ("10.00", "13.00")
        columns = ("load", "since", "to", "energy", "price")
        assert [tuple(one[name] for name in columns) for one in plan["moves"]] == [
            ("Flat 1 · Laundry", "19:00–20:00", "00:00–01:00", "2.00", "0.240 → 0.120"),
            ("Flat 2 · Laundry", "19:00–20:00", "00:00–01:00", "2.00", "0.240 → 0.120"),
        ]
        styles = [one["style"] for one in plan["chart"]["series"]]
        assert styles == ["unplanned", "planned", "ceiling"]
        assert plan["steps"] == [
            {"span": "18:00–00:00", "price": "0.240"},
            {"span": "00:00–18:00", "price": "0.120"},
        ]

    def test_without_a_plan_the_site_would_draw_what_is_moved(self) -> None:
        report = control_town.plan(town.NOW)
        unplanned = unplanned_w(report)
        assert max(unplanned) == 13_000.0
        assert sum(unplanned) == pytest.approx(sum(report.expected_w))

    def test_energy_that_does_not_come_back_within_the_plan(self) -> None:
        wash = (2000.0, 2000.0, 0.0, 0.0)
        later = (0.0, 0.0, 0.0, 2000.0)
        load = PlannedLoad("flat-01-wash", later, wash)
        report = control_town.plan(town.NOW, loads=(load,), expected_w=(0.0,) * 4)
        assert [(one.energy_wh, one.since, one.to) for one in moves(report)] == [
            (500.0, (0, 2), (3, 4)),
            (500.0, (0, 2), None),
        ]

    def test_a_plan_that_cannot_keep_all_limits_says_so(self, operator: Client) -> None:
        plan = control_town.plan(town.NOW, state=PlanState.RELAXED)
        plans.store("alice-hub", plan, datetime.now(UTC))
        page = operator.get(PAGE).content.decode()
        assert "Not all limits can be kept" in page
        assert "No way was found to keep all limits" in page

    def test_an_old_plan_is_called_old(self) -> None:
        late = Reading(HOW.zone, HOW.titles, "EUR", town.NOW + timedelta(hours=2))
        assert plan_view(stored(), HOW)["is_old"] is False  # type: ignore[index]
        assert plan_view(stored(), late)["is_old"] is True  # type: ignore[index]

    def test_no_plan_tells_why(self, operator: Client) -> None:
        plan = control_town.plan(
            town.NOW,
            state=PlanState.NONE,
            reason="no forecast yet",
            expected_w=(),
            loads=(),
            price=(),
            limit_w=(),
        )
        plans.store("alice-hub", plan, datetime.now(UTC))
        page = operator.get(PAGE).content.decode()
        assert "No plan yet" in page
        assert "no forecast yet" in page

    def test_a_plan_without_prices_or_limits_is_drawn(self) -> None:
        found = plan_view(stored(price=(), limit_w=(), cost=None, cost_unplanned=None), HOW)
        assert found is not None
        assert found["prices"] is None
        assert found["saved"] == "–"
        assert [row["price"] for row in found["moves"]] == ["", ""]


class TestWhoSees:
    def test_a_manager_looks_on(self, visit: Callable[[str], Client]) -> None:
        assert visit("alice-manager").get(PAGE).status_code == 200

    @pytest.mark.parametrize("username", ["alice-resident", "alice-nobody", "bob-operator"])
    def test_others_find_nothing(self, visit: Callable[[str], Client], username: str) -> None:
        assert visit(username).get(PAGE).status_code == 404

    @pytest.mark.parametrize(
        ("language", "words"), [("ru", "Пределы и запас"), ("ro", "Limite și rezervă")]
    )
    def test_in_the_reader_s_language(self, operator: Client, language: str, words: str) -> None:
        report(guard="futile")
        plans.store("alice-hub", control_town.plan(town.NOW), datetime.now(UTC))
        operator.post("/language/", {"language": language})
        page = operator.get(PAGE).content.decode()
        assert words in page
        assert "Shedding does not help" not in page
        assert "Plan of the next" not in page

    def test_a_resident_sees_the_own_part_of_the_tree_alone(self, resident: Client) -> None:
        own = LimitSetting("own", "customer", 2500.0, node="alice-flat-01")  # type: ignore[arg-type]
        report(own_limits=(own,))
        page = resident.get("/nodes/alice-flat-01/own/")
        texts = LiveTexts(page.content.decode()).texts
        assert texts["node.alice-flat-01.load"] == "1.00"
        assert not [key for key in page.context["picture"] if "alice-flat-02" in key]
        assert "Set at the gateway itself: at most 2.50 kW." in page.content.decode()


class TestLimitsOfTheRegistry:
    @pytest.fixture(autouse=True)
    def limits(self, utilities: Town) -> None:
        flat = "alice-flat-01"
        more = (
            LimitPlan(
                node=flat, name="month", kwh=Decimal("120.5"), period="month", source="customer"
            ),
            LimitPlan(
                node=flat, name="peak", kw=Decimal(5), interval_s=900, follows_peak=True,
                zone="night",
            ),
            LimitPlan(
                node="alice-house", name="fuse", phase_a=Decimal(32),
                from_time=time(17), to_time=time(21),
            ),
        )  # fmt: skip
        plan = town.plan("alice")
        with tenant_scope(utilities.alice):
            apply_plan(RegistryPlan(tenant=plan.tenant, limits=more))

    def test_power_current_energy_and_peak_are_told(self, operator: Client) -> None:
        shown = {row["title"]: row for row in operator.get(PAGE).context["limits"]}
        assert [shown["month"][key] for key in ("place", "bounds", "when")] == [
            "Flat 1",
            "120.50 kWh a month",
            "at all hours",
        ]
        assert shown["peak"]["bounds"] == (
            "5.00 kW as a mean of 15 min, or the month's highest so far"
        )
        assert "tariff zone" in shown["peak"]["when"]
        assert [shown["fuse"][key] for key in ("place", "bounds", "when")] == [
            "Linden Street 12",
            "32.0 A in each phase",
            "from 17:00 to 21:00",
        ]

    @pytest.mark.parametrize(
        ("language", "words"),
        [
            ("en", "120.50 kWh a month"),
            ("ru", "120,50 кВт·ч в месяц"),
            ("ro", "120,50 kWh pe lună"),
        ],
    )
    def test_in_each_language(self, operator: Client, language: str, words: str) -> None:
        operator.post("/language/", {"language": language})
        assert words in operator.get(PAGE).content.decode()

    def test_the_owner_is_told_of_those_beside_the_own(self, resident: Client) -> None:
        report()
        body = resident.get("/nodes/alice-flat-01/own/").content.decode()
        assert "5.00 kW as a mean of 15 min, or the month&#x27;s highest so far" in body
        assert "120.50 kWh a month" in body


class TestFolding:
    def test_what_is_in_no_need_is_folded_when_there_is_much(self) -> None:
        many = [control_town.node(f"f{n}", "riser", 100.0, 3_000.0) for n in range(5)]
        root = control_town.node("", "", 500.0, 9_000.0)
        riser = control_town.node("riser", "", 500.0, 9_000.0)
        calm = control_town.status(town.NOW, tree=(root, riser, *many))
        (top,) = branches(calm, "", {})
        assert (top.open, top.below[0].open) == (True, False)
        over = control_town.node("f9", "riser", 3_100.0, 3_000.0)
        near = control_town.node("f8", "riser", 2_900.0, 3_000.0)
        tense = control_town.status(town.NOW, tree=(root, riser, *many, over, near))
        (top,) = branches(tense, "", {})
        assert top.below[0].open
        texts = node_texts(tense, "", dead=False)
        assert texts["node.riser.below"] == "7 places below, over the limit: 1, close to it: 1"

    def test_where_only_currents_are_limited_the_fullest_phase_counts(self) -> None:
        riser = NodeStatus("riser", "", 5_000.0, phase_a=(10.0, 20.0, None), phase_limit_a=25.0)
        over = NodeStatus("over", "", 5_000.0, phase_a=(26.5, 0.0, 0.0), phase_limit_a=25.0)
        status = control_town.status(town.NOW, tree=(NodeStatus(), riser, over))
        texts = node_texts(status, "", dead=False)
        assert texts["node.riser.level_word"] == "Inside the limit"
        assert texts["node.riser.free"] == "L2: 5.0 A free"
        assert texts["node.over.level_word"] == "L1: over the limit"
        assert texts["node.over.free"] == "L1: 1.5 A too much"

    @pytest.mark.parametrize(
        ("name", "shown"),
        [
            ("contract (12)", "contract"),
            ("transformer (server)", "transformer"),
            ("own limit 2", "own limit 2"),
            ("Grandmother (1)", "Grandmother"),
        ],
    )
    def test_what_a_gateway_adds_to_a_name_is_left_out(self, name: str, shown: str) -> None:
        assert limit_title(name) == shown


class TestReasonsOfPlans:
    def test_what_cannot_be_kept_is_told_in_words(self) -> None:
        reason = "limit: 289 Wh not met; flat-01-wash: 1500 Wh not met"
        found = plan_view(stored(state=PlanState.RELAXED, reason=reason), HOW)
        assert found is not None
        assert found["reason"] == (
            "The limit is exceeded by 0.29 kWh. Flat 1 · Laundry gets 1.50 kWh less than it needs."
        )

    def test_codes_have_words_and_free_text_stays(self) -> None:
        for reason, words in (("too_early", "The site has to be seen"), ("as it is", "as it is")):
            found = plan_view(stored(reason=reason), HOW)
            assert found is not None
            assert found["reason"].startswith(words)
