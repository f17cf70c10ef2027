"""The live picture, studies, and the life of a command."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from tests.adapters.told_settings import limits_told

from balans.core.words import CommandState, LimitSource, LoadClass
from balans.protocols.hub import (
    Batch,
    CommandReport,
    Entry,
    EntryKind,
    LimitSetting,
    LoadStatus,
    SiteStatus,
    encode_command_report,
)
from balans.storage.access import ForbiddenError, NotVisibleError
from balans.storage.commands import (
    CommandInfo,
    CommandRefusedError,
    Wish,
    create_command,
    expire_due,
    get_command,
    mark_sent,
    queued_commands,
    recent,
)
from balans.storage.flush import flush_inbox
from balans.storage.inbox import store_batch
from balans.storage.live import (
    Minute,
    get_study,
    last_minute,
    latest_status,
    minutes,
    save_statuses,
    save_study,
)
from balans.storage.lookups import site_by_code
from balans.storage.models import Grant
from balans.storage.records import NodeInfo
from balans.storage.registry import apply_plan
from balans.storage.scope import system_scope
from balans.usecases.registry_plan import RegistryPlan

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 12, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def site(plan: RegistryPlan) -> NodeInfo:
    """Alice's house; the whole test reads as her utility, between the steps of the system."""
    tenant_id = apply_plan(plan).tenant_id
    with connection.cursor() as cursor:
        cursor.execute("select set_config('balans.tenant', %s, true)", [str(tenant_id)])
    found = site_by_code(tenant_id, "alice-house")
    assert found is not None
    return found


def status(
    end_s: float, site_w: float | None, *, step_s: float = 60.0, on: bool = True
) -> SiteStatus:
    """A status for the step that ends `end_s` seconds after NOW."""
    return SiteStatus(
        seq=1,
        time=NOW.timestamp() + end_s,
        step_s=step_s,
        site_w=site_w,
        limit_w=4000.0,
        limit="contract",
        loads=(
            LoadStatus("heat", LoadClass.YELLOW, on, 0.0),
            LoadStatus("x", LoadClass.RED, on, 1),
        ),
        reference_w=5000.0,
        valid_s=2.0,
    )


class TestLivePicture:
    def test_the_last_status_stays(self, site: NodeInfo) -> None:
        assert latest_status(site.id) is None
        first, last = status(60, 1000.0), status(120, 2000.0)
        assert save_statuses([("alice-hub", first), ("alice-hub", last), ("?", first)], NOW) == 2
        found = latest_status(site.id)
        assert found is not None
        assert found.status == last
        assert (found.at, found.received) == (NOW + timedelta(seconds=120), NOW)
        assert found.valid_s == 2.0
        assert save_statuses([], NOW) == 0

    def test_a_minute_is_named_by_its_beginning(self, site: NodeInfo) -> None:
        assert last_minute(site.id) is None
        statuses = [status(60, 1000.0), status(120, None, on=False)]
        save_statuses([("alice-hub", one) for one in statuses], NOW)
        assert minutes(site.id, NOW, NOW + timedelta(hours=1)) == [
            Minute(NOW, 1000.0, 4000.0, 5000.0, 0.0),
            Minute(NOW + timedelta(minutes=1), None, 4000.0, 5000.0, 2200.0),
        ]
        assert last_minute(site.id) == NOW + timedelta(minutes=1)
        assert minutes(site.id, NOW, NOW) == []

    def test_steps_of_a_second_make_the_mean_of_a_minute(self, site: NodeInfo) -> None:
        seconds = [status(i + 1, 100.0 * i, step_s=1, on=i % 2 == 0) for i in range(60)]
        for start in range(0, 60, 7):
            save_statuses([("alice-hub", one) for one in seconds[start : start + 7]], NOW)
        (minute,) = minutes(site.id, NOW, NOW + timedelta(hours=1))
        assert minute.power_w == pytest.approx(2950.0)
        assert minute.shed_w == pytest.approx(1100.0)

    def test_studies_are_replaced(self, site: NodeInfo) -> None:
        assert get_study(site.id, "transformer") is None
        for share in (0.4, 1.0):
            save_study(site.id, "transformer", {"shares": [0, share]}, NOW)
        found = get_study(site.id, "transformer")
        assert found is not None
        assert (found.result, found.computed_at) == ({"shares": [0, 1.0]}, NOW)


def person(username: str) -> Any:
    return get_user_model().objects.get(username=username)


def wish(load: str = "heat", reason: str = "away", ttl_s: float = 120.0) -> Wish:
    return Wish(load_name=load, on=False, reason=reason, ttl_s=ttl_s)


def order(site: NodeInfo, by: str = "alice-operator", **what: Any) -> CommandInfo:
    return create_command(person(by), site, wish(**what), NOW)


class TestGivingCommands:
    def test_a_command_is_queued_for_the_gateway(self, site: NodeInfo) -> None:
        given = order(site, reason=" away ")
        (queued,) = queued_commands(NOW)
        assert queued.hub_code == "alice-hub"
        command = queued.command
        assert (command.id, command.load, command.on) == (given.code, "heat", False)
        assert (command.author, command.reason) == ("alice-operator", "away")
        assert command.created == NOW.timestamp()
        assert command.expires == NOW.timestamp() + 120
        assert [event.state for event in given.events] == [CommandState.QUEUED]

    @pytest.mark.parametrize(
        ("by", "what", "code"),
        [
            ("alice-operator", {"load": "kitchen"}, "red"),
            ("alice-consumer", {"load": "kitchen"}, "red"),
            ("alice-operator", {"load": "wash"}, "not_released"),
            ("alice-operator", {"reason": "  "}, "reason"),
            ("alice-operator", {"reason": "x" * 501}, "reason"),
            ("alice-operator", {"reason": "a\0b"}, "reason"),
            ("alice-operator", {"ttl_s": 0.0}, "ttl"),
            ("alice-operator", {"ttl_s": float("nan")}, "ttl"),
            ("alice-operator", {"ttl_s": 90_000.0}, "ttl"),
        ],
        ids=str,
    )
    def test_what_is_refused(
        self, site: NodeInfo, by: str, what: dict[str, Any], code: str
    ) -> None:
        with pytest.raises(CommandRefusedError) as refused:
            order(site, by, **what)
        assert refused.value.code == code
        assert queued_commands(NOW) == []

    def test_the_owner_switches_what_is_not_released(self, site: NodeInfo) -> None:
        assert order(site, "alice-consumer", load="wash").author == "alice-consumer"

    def test_rights_come_first(
        self, site: NodeInfo, make_plan: Callable[..., RegistryPlan]
    ) -> None:
        apply_plan(make_plan("bob", serial=2000))
        with system_scope(), pytest.raises(NotVisibleError):
            order(site, "bob-operator")
        grant = person("alice-operator")
        Grant.objects.filter(user_id=grant.pk).update(role="manager")
        with pytest.raises(ForbiddenError):
            order(site)


def report(
    code: str, state: CommandState, at: datetime, hub: str = "alice-hub", author: str = "otto"
) -> None:
    """Let a hub report a state of a command, and flush."""
    entry = CommandReport(
        id=code,
        load="heat",
        on=False,
        author=author,
        reason="away",
        created=NOW.timestamp(),
        expires=NOW.timestamp() + 120,
        state=state,
        time=at.timestamp(),
    )
    offset = int(at.timestamp())
    entries = (Entry(EntryKind.COMMAND, encode_command_report(entry)),)
    store_batch(hub, Batch.of(1, offset, entries), at)
    flush_inbox(NOW)


class TestCarryingCommands:
    def test_sent_then_confirmed(self, site: NodeInfo) -> None:
        code = order(site).code
        later = NOW + timedelta(seconds=3)
        assert mark_sent(queued_commands(NOW), later) == 1
        assert queued_commands(NOW) == []
        report(code, CommandState.CONFIRMED, NOW + timedelta(seconds=5))
        (command,) = recent(site)
        assert command.state == CommandState.CONFIRMED
        assert command.sent_at == later
        assert command.done_at == NOW + timedelta(seconds=5)
        assert [e.state for e in command.events] == ["queued", "sent", "confirmed"]
        assert command.author == "alice-operator"

    def test_sending_twice_counts_once(self, site: NodeInfo) -> None:
        order(site)
        queued = queued_commands(NOW)
        assert [mark_sent(queued, NOW), mark_sent(queued, NOW)] == [1, 0]

    def test_a_report_faster_than_the_note_of_sending_stays(self, site: NodeInfo) -> None:
        code = order(site).code
        queued = queued_commands(NOW)
        report(code, CommandState.CONFIRMED, NOW + timedelta(seconds=1))
        assert mark_sent(queued, NOW) == 0
        found = get_command(site, code)
        assert found is not None
        assert found.state == CommandState.CONFIRMED

    def test_expiry_is_seen_and_the_truth_may_come_later(self, site: NodeInfo) -> None:
        sent, unsent = order(site).code, order(site).code
        mark_sent([q for q in queued_commands(NOW) if q.command.id == sent], NOW)
        assert expire_due(NOW + timedelta(seconds=119)) == 0
        after = NOW + timedelta(seconds=120)
        assert queued_commands(after) == []
        assert expire_due(after) == 2
        assert expire_due(after) == 0
        details = {command.code: command.detail for command in recent(site)}
        assert details == {sent: "no feedback in time", unsent: "never sent"}
        report(sent, CommandState.CONFIRMED, NOW + timedelta(seconds=60))
        found = get_command(site, sent)
        assert found is not None
        assert found.state == CommandState.CONFIRMED
        assert {e.state for e in found.events} == {"queued", "sent", "expired", "confirmed"}

    def test_a_hub_touches_no_command_of_another_site(
        self, site: NodeInfo, make_plan: Callable[..., RegistryPlan]
    ) -> None:
        apply_plan(make_plan("bob", serial=2000))
        code = order(site).code
        report(code, CommandState.FAILED, NOW, hub="bob-hub")
        (command,) = recent(site)
        assert command.state == CommandState.QUEUED

    def test_only_the_newest_are_shown(self, site: NodeInfo) -> None:
        codes = [order(site).code for _ in range(4)]
        assert [command.code for command in recent(site, 2)] == codes[:1:-1]


def test_the_gateway_gets_the_limits_of_its_site(plan: RegistryPlan) -> None:
    found = limits_told("alice-hub", NOW)
    assert found is not None
    assert found.limits == (
        LimitSetting("evening", LimitSource.OPERATOR, 8000.0, from_time="17:00", to_time="21:00"),
        LimitSetting("contract", LimitSource.OPERATOR, 12_000.0),
    )
    apply_plan(replace(plan, limits=(replace(plan.limits[0], kw=Decimal("7.5")),)))
    newer = limits_told("alice-hub", NOW)
    assert newer is not None
    assert newer.version > found.version
    assert newer.limits[0].limit_w == 7500.0
    assert limits_told("no-hub", NOW) is None
