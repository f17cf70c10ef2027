"""Consent, pauses and own limits: who may, what is kept, and what gateways are told."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, ProgrammingError, connection, transaction
from tests.adapters.told_settings import consents_told, limits_told

from balans.core.words import LimitSource
from balans.protocols import hub
from balans.protocols.hub import NO_POWER_LIMIT_W, ConsentSetting, LimitPeriod, LimitSetting
from balans.storage import consents, lookups, own_limits
from balans.storage.access import ForbiddenError, NotVisibleError
from balans.storage.commands import CommandRefusedError, Wish, create_command
from balans.storage.consents import ConsentRefusedError
from balans.storage.hub_settings import settings_of, stamp
from balans.storage.lookups import site_by_code
from balans.storage.models import Consent, Limit
from balans.storage.own_limits import OwnLimit, OwnLimitRefusedError
from balans.storage.records import NodeInfo
from balans.storage.registry import apply_plan
from balans.storage.scope import system_scope, tenant_scope
from balans.usecases.registry_plan import AccountPlan, HubPlan, LimitPlan, RegistryPlan

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 12, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def site(plan: RegistryPlan) -> Iterator[NodeInfo]:
    """Alice's house; her consumer lives in flat 1 and her neighbour in flat 2."""
    neighbour = AccountPlan(username="nora", password="x", grants=(("consumer", "alice-flat-2"),))
    tenant_id = apply_plan(replace(plan, accounts=(*plan.accounts, neighbour))).tenant_id
    with tenant_scope(tenant_id):
        yield node_of("alice-house", tenant_id)


def node_of(code: str, tenant_id: int | None = None) -> NodeInfo:
    found = site_by_code(tenant_id or person("alice-consumer").tenant_id, code)
    assert found is not None
    return found


def person(username: str) -> Any:
    return get_user_model().objects.get(username=username)


def settings() -> tuple[ConsentSetting, ...]:
    found = consents_told("alice-hub", NOW)
    assert found is not None
    return found.loads


class TestConsent:
    def test_what_the_registry_does_not_release_is_told_so(self) -> None:
        """Red is never switched, so nothing is said of it; what is released needs no word."""
        assert settings() == (ConsentSetting("wash", released=False),)
        assert consents_told("no-hub", NOW) is None

    def test_consent_given_and_taken_back_is_told_and_kept(self, site: NodeInfo) -> None:
        before = consents_told("alice-hub", NOW)
        carol = person("alice-consumer")
        assert consents.set_released(carol, site, ["wash", "heat"], released=True, now=NOW) == 1
        assert settings() == ()
        assert consents.set_released(carol, site, ["heat"], released=False, now=NOW + HOUR) == 1
        assert settings() == (ConsentSetting("heat", released=False),)
        after = consents_told("alice-hub", NOW)
        assert before is not None
        assert after is not None
        assert after.version > before.version
        loads = lookups.loads_of_site(site)
        assert [(one.load_name, one.released, one.author) for one in consents.history(loads)] == [
            ("heat", False, "alice-consumer"),
            ("wash", True, "alice-consumer"),
        ]

    def test_a_second_import_of_the_registry_leaves_consents(
        self, site: NodeInfo, plan: RegistryPlan
    ) -> None:
        consents.set_released(person("alice-consumer"), site, ["heat"], released=False, now=NOW)
        apply_plan(plan)
        assert ConsentSetting("heat", released=False) in settings()

    def test_nobody_else_switches_what_is_not_released(self, site: NodeInfo) -> None:
        consents.set_released(person("alice-consumer"), site, ["heat"], released=False, now=NOW)
        wish = Wish(load_name="heat", on=False, reason="peak")
        with pytest.raises(CommandRefusedError, match="released"):
            create_command(person("alice-operator"), site, wish, NOW)

    def test_a_pause_is_told_with_its_end_and_can_be_ended(self, site: NodeInfo) -> None:
        carol = person("alice-consumer")
        until = NOW + HOUR
        assert consents.set_paused(carol, site, ["heat"], until=until, now=NOW) == 1
        assert settings()[0] == ConsentSetting("heat", paused_until=until.timestamp())
        assert consents.set_paused(carol, site, ["heat"], until=until, now=NOW) == 0
        assert consents.set_paused(carol, site, ["heat"], until=None, now=NOW) == 1
        assert [one.load for one in settings()] == ["wash"]

    def test_taking_consent_back_keeps_a_pause_that_lasts(self, site: NodeInfo) -> None:
        carol = person("alice-consumer")
        consents.set_paused(carol, site, ["heat"], until=NOW + HOUR, now=NOW)
        consents.set_released(carol, site, ["heat"], released=False, now=NOW)
        assert settings()[0] == ConsentSetting(
            "heat", released=False, paused_until=(NOW + HOUR).timestamp()
        )
        consents.set_released(carol, site, ["heat"], released=True, now=NOW + 2 * HOUR)
        assert [one.load for one in settings()] == ["wash"]

    @pytest.mark.parametrize(
        ("names", "until", "code"),
        [
            (["kitchen"], NOW + HOUR, "red"),
            ([], NOW + HOUR, "empty"),
            (["heat"], NOW, "past"),
            (["heat"], NOW + timedelta(days=32), "too_long"),
        ],
    )
    def test_what_is_refused(
        self, site: NodeInfo, names: list[str], until: datetime, code: str
    ) -> None:
        with pytest.raises(ConsentRefusedError) as refused:
            consents.set_paused(person("alice-consumer"), site, names, until=until, now=NOW)
        assert refused.value.code == code
        assert Consent.objects.count() == 0

    @pytest.mark.parametrize(
        ("username", "error"), [("alice-operator", ForbiddenError), ("nora", NotVisibleError)]
    )
    def test_only_the_owner_decides(
        self, site: NodeInfo, username: str, error: type[Exception]
    ) -> None:
        """The operator sees the load and may not; the neighbour does not even see it."""
        user = person(username)
        with pytest.raises(error):
            consents.set_released(user, site, ["wash"], released=True, now=NOW)
        with pytest.raises(error):
            consents.set_paused(user, site, ["heat"], until=NOW + HOUR, now=NOW)
        assert Consent.objects.count() == 0

    def test_one_load_that_is_not_the_own_stops_all(self, site: NodeInfo) -> None:
        with pytest.raises(NotVisibleError):
            consents.set_released(person("nora"), site, ["wash", "none"], released=True, now=NOW)
        assert Consent.objects.count() == 0

    def test_rows_cannot_be_changed_or_removed(self, site: NodeInfo) -> None:
        consents.set_released(person("alice-consumer"), site, ["wash"], released=True, now=NOW)
        with connection.cursor() as cursor:
            cursor.execute("update load_consent set author = 'somebody'")
            cursor.execute("delete from load_consent")
        assert [one.author for one in Consent.objects.all()] == ["alice-consumer"]

    def test_another_tenant_sees_and_writes_nothing(
        self, site: NodeInfo, make_plan: Callable[..., RegistryPlan]
    ) -> None:
        bob = apply_plan(make_plan("bob", serial=2000)).tenant_id
        consents.set_released(person("alice-consumer"), site, ["wash"], released=True, now=NOW)
        row = Consent.objects.get()
        with tenant_scope(bob):
            assert Consent.objects.count() == 0
            row.pk = None
            with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
                row.save(force_insert=True)
        with system_scope(), pytest.raises(NotVisibleError):
            consents.set_released(person("bob-consumer"), site, ["wash"], released=True, now=NOW)


def wish(kw: str = "3", **values: Any) -> OwnLimit:
    return OwnLimit(kw=Decimal(kw), **values)


def told() -> list[LimitSetting]:
    found = limits_told("alice-hub", NOW)
    assert found is not None
    return [one for one in found.limits if one.source == LimitSource.CUSTOMER]


class TestOwnLimits:
    def test_a_consumer_sets_one_for_the_own_flat(self) -> None:
        flat = node_of("alice-flat-1")
        evening = wish("2.5", from_time=time(17), to_time=time(21), until=NOW + 5 * HOUR)
        made = own_limits.set_own_limit(person("alice-consumer"), flat, evening, NOW)
        assert (made.kw, made.author, made.valid_to) == (
            Decimal("2.5"),
            "alice-consumer",
            NOW + 5 * HOUR,
        )
        assert told() == [
            LimitSetting(
                "own limit",
                LimitSource.CUSTOMER,
                2500.0,
                from_time="17:00",
                to_time="21:00",
                node="alice-flat-1",
            )
        ]

    def test_it_stands_beside_the_operator_s_limits_and_replaces_none(self) -> None:
        flat = node_of("alice-flat-1")
        own_limits.set_own_limit(person("alice-consumer"), flat, wish("100"), NOW)
        found = limits_told("alice-hub", NOW)
        assert found is not None
        assert [(one.name, one.limit_w, one.node) for one in found.limits] == [
            ("evening", 8000.0, ""),
            ("contract", 12_000.0, ""),
            ("own limit", 100_000.0, "alice-flat-1"),
        ]

    def test_several_at_a_time_have_names_of_their_own(self) -> None:
        flat, carol = node_of("alice-flat-1"), person("alice-consumer")
        for n in range(own_limits.ALIVE_MAX):
            own_limits.set_own_limit(carol, flat, wish(str(n + 1)), NOW)
        assert [one.name for one in told()] == [
            "own limit",
            *(f"own limit {n}" for n in range(2, 6)),
        ]
        with pytest.raises(OwnLimitRefusedError) as refused:
            own_limits.set_own_limit(carol, flat, wish(), NOW)
        assert refused.value.code == "too_many"

    def test_one_that_is_taken_back_stays_in_the_history(self) -> None:
        flat, carol = node_of("alice-flat-1"), person("alice-consumer")
        made = own_limits.set_own_limit(carol, flat, wish(), NOW)
        later = NOW + HOUR
        assert own_limits.end_own_limit(carol, flat, made.id, later)
        assert not own_limits.end_own_limit(carol, flat, made.id, later)
        assert own_limits.own_limits_of(flat, later) == []
        (past,) = own_limits.past_own_limits(flat, later)
        assert (past.valid_to, past.ended_by) == (later, "alice-consumer")
        own_limits.set_own_limit(carol, flat, wish(), later)
        assert [one.name for one in own_limits.own_limits_of(flat, later)] == ["own limit"]

    def test_one_that_never_held_is_in_the_registry_s_history_alone(self) -> None:
        flat, carol = node_of("alice-flat-1"), person("alice-consumer")
        made = own_limits.set_own_limit(carol, flat, wish(), NOW)
        assert own_limits.end_own_limit(carol, flat, made.id, NOW)
        assert own_limits.past_own_limits(flat, NOW) == []
        with connection.cursor() as cursor:
            cursor.execute(
                "select op from registry_history where table_name = 'site_limit' and row_id = %s"
                " order by id",
                [made.id],
            )
            assert cursor.fetchall() == [("insert",), ("delete",)]

    def test_an_end_comes_by_itself(self) -> None:
        flat = node_of("alice-flat-1")
        own_limits.set_own_limit(person("alice-consumer"), flat, wish(until=NOW + HOUR), NOW)
        assert own_limits.own_limits_of(flat, NOW + HOUR) == []
        assert len(own_limits.past_own_limits(flat, NOW + HOUR)) == 1

    @pytest.mark.parametrize(
        ("values", "code"),
        [
            ({"kw": "0"}, "kw"),
            ({"kw": "-1"}, "kw"),
            ({"kw": "10001"}, "kw"),
            ({"from_time": time(8)}, "hours"),
            ({"from_time": time(8), "to_time": time(8)}, "hours"),
            ({"until": NOW}, "until"),
            ({"until": NOW + timedelta(days=400)}, "until"),
        ],
    )
    def test_what_is_refused(self, values: dict[str, Any], code: str) -> None:
        with pytest.raises(OwnLimitRefusedError) as refused:
            own_limits.set_own_limit(
                person("alice-consumer"), node_of("alice-flat-1"), wish(**values), NOW
            )
        assert refused.value.code == code
        assert told() == []

    def test_where_nothing_is_controlled_there_is_no_own_limit(self, plan: RegistryPlan) -> None:
        uma = AccountPlan(username="uma", password="x", grants=(("consumer", "alice-city"),))
        apply_plan(replace(plan, accounts=(uma,)))
        with pytest.raises(OwnLimitRefusedError) as refused:
            own_limits.set_own_limit(person("uma"), node_of("alice-city"), wish(), NOW)
        assert refused.value.code == "no_gateway"

    @pytest.mark.parametrize(
        ("username", "node", "error"),
        [
            ("alice-operator", "alice-flat-1", ForbiddenError),
            ("nora", "alice-flat-1", NotVisibleError),
            ("alice-consumer", "alice-flat-2", NotVisibleError),
            ("alice-consumer", "alice-house", NotVisibleError),
        ],
    )
    def test_only_where_one_has_the_right(
        self, username: str, node: str, error: type[Exception]
    ) -> None:
        with pytest.raises(error):
            own_limits.set_own_limit(person(username), node_of(node), wish(), NOW)
        made = own_limits.set_own_limit(
            person("alice-consumer"), node_of("alice-flat-1"), wish(), NOW
        )
        with pytest.raises(error):
            own_limits.end_own_limit(person(username), node_of(node), made.id, NOW)
        assert len(told()) == 1

    def test_the_operator_s_limit_cannot_be_ended_as_an_own_one(self, plan: RegistryPlan) -> None:
        owner = AccountPlan(username="uma", password="x", grants=(("consumer", "alice-house"),))
        apply_plan(replace(plan, accounts=(owner,)))
        contract = Limit.objects.get(name="contract")
        assert not own_limits.end_own_limit(person("uma"), node_of("alice-house"), contract.pk, NOW)
        assert Limit.objects.get(name="contract").valid_to is None

    def test_another_tenant_sees_none(self, make_plan: Callable[..., RegistryPlan]) -> None:
        flat = node_of("alice-flat-1")
        own_limits.set_own_limit(person("alice-consumer"), flat, wish(), NOW)
        bob = apply_plan(make_plan("bob", serial=2000)).tenant_id
        with tenant_scope(bob):
            assert own_limits.own_limits_of(flat, NOW) == []
        found = limits_told("bob-hub", NOW)
        assert found is not None
        assert {one.source for one in found.limits} == {LimitSource.OPERATOR}


class TestLimitsOfTheTree:
    def test_each_gateway_is_told_its_own_part_of_the_tree(self, plan: RegistryPlan) -> None:
        """A flat with a gateway of its own, inside a house that has one: both asked at once."""
        apply_plan(
            RegistryPlan(
                tenant=plan.tenant,
                hubs=(HubPlan(code="alice-inner", site="alice-flat-1", controls=True),),
                limits=(
                    LimitPlan(node="alice-flat-1", name="inner", kw=Decimal(3)),
                    LimitPlan(node="alice-flat-2", name="outer", kw=Decimal(4)),
                ),
            )
        )
        codes = ["alice-inner", "alice-hub", "no-hub"]
        told = {one.hub_code: one.limits.limits for one in settings_of(codes, NOW)}
        assert set(told) == {"alice-hub", "alice-inner"}
        assert [(one.name, one.node) for one in told["alice-inner"]] == [("inner", "")]
        assert [(one.name, one.node) for one in told["alice-hub"]] == [
            ("evening", ""),
            ("contract", ""),
            ("outer", "alice-flat-2"),
        ]

    def test_the_stamp_changes_when_a_limit_begins_and_when_it_ends(self) -> None:
        ends = NOW + 2 * HOUR
        contract = Limit.objects.get(name="contract")
        contract.valid_from, contract.valid_to = NOW + HOUR, ends
        contract.save()
        seen = [stamp(at) for at in (NOW, NOW + HOUR, ends - HOUR / 2, ends)]
        assert seen[1] == seen[2]
        assert len(set(seen)) == 3
        consents.set_released(
            person("alice-consumer"), node_of("alice-house"), ["heat"], released=False, now=NOW
        )
        assert stamp(NOW) != seen[0]

    def test_a_limit_of_the_current_alone(self, plan: RegistryPlan) -> None:
        riser = LimitPlan(node="alice-flat-2", name="fuse", phase_a=Decimal(25))
        apply_plan(RegistryPlan(tenant=plan.tenant, limits=(riser,)))
        found = limits_told("alice-hub", NOW)
        assert found is not None
        assert found.limits[-1] == LimitSetting(
            "fuse", LimitSource.OPERATOR, NO_POWER_LIMIT_W, node="alice-flat-2", phase_a=25.0
        )

    def test_energy_in_a_period_and_a_peak_that_is_followed(self, plan: RegistryPlan) -> None:
        month = LimitPlan(
            node="alice-flat-2",
            name="month",
            kwh=Decimal("120.5"),
            period="month",
        )
        peak = LimitPlan(
            node="alice-flat-2", name="peak", kw=Decimal(5), interval_s=900, follows_peak=True
        )
        apply_plan(RegistryPlan(tenant=plan.tenant, limits=(month, peak)))
        found = limits_told("alice-hub", NOW)
        assert found is not None
        operator, node = LimitSource.OPERATOR, "alice-flat-2"
        assert LimitSetting(
            "month", operator, NO_POWER_LIMIT_W, node=node,
            energy_wh=120_500.0, period=LimitPeriod.MONTH,
        ) in found.limits  # fmt: skip
        assert LimitSetting(
            "peak", operator, 5000.0, 900, node=node, follows_peak=True
        ) in found.limits  # fmt: skip
        assert hub.decode(hub.encode(found)) == found

    def test_the_database_refuses_a_period_that_is_none(self, plan: RegistryPlan) -> None:
        apply_plan(plan)
        with (
            pytest.raises(IntegrityError, match="site_limit_period_word"),
            transaction.atomic(),
        ):
            Limit.objects.filter(name="contract").update(period="year")

    def test_a_limit_that_the_wire_cannot_carry_takes_no_other_with_it(
        self, plan: RegistryPlan, caplog: pytest.LogCaptureFixture
    ) -> None:
        before = limits_told("alice-hub", NOW)
        assert before is not None
        assert before.limits
        huge = LimitPlan(node="alice-flat-2", name="huge", kw=Decimal(5))
        apply_plan(RegistryPlan(tenant=plan.tenant, limits=(huge,)))
        for values in ({"kw": Decimal(2_000_000)}, {"kw": None, "phase_a": Decimal(2_000_000)}):
            caplog.clear()
            Limit.objects.filter(name="huge").update(**values)
            found = limits_told("alice-hub", NOW)
            assert found is not None
            assert found.limits == before.limits
            assert hub.decode(hub.encode(found)) == found
            assert "limit 'huge' of alice-flat-2 is not sent" in caplog.text

    def test_0_kw_means_0_kw(self, plan: RegistryPlan) -> None:
        nothing = LimitPlan(node="alice-flat-2", name="cut", kw=Decimal(0))
        apply_plan(RegistryPlan(tenant=plan.tenant, limits=(nothing,)))
        found = limits_told("alice-hub", NOW)
        assert found is not None
        assert found.limits[-1].limit_w == 0.0


def test_the_site_of_a_flat_is_its_building() -> None:
    found = lookups.site_of(node_of("alice-flat-1"))
    assert found is not None
    assert found.code == "alice-house"
    assert lookups.site_of(node_of("alice-city")) is None
