"""After a backup was restored, gateways take what the server says for newer than what they know."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection
from tests.adapters.response_events import NOW, PUBLIC, drafted, open_programme, person
from tests.adapters.told_settings import told

from balans.storage.generation import begin_generation
from balans.storage.registry import apply_plan
from balans.storage.response_acts import announce
from balans.storage.response_calls import build_calls, live_calls
from balans.storage.response_members import hub_groups
from balans.storage.scope import system_scope, tenant_scope
from balans.storage.signing_keys import add_key, key_rings
from balans.usecases.registry_plan import RegistryPlan

HUB = "alice-hub"
RESTORED_MS = 1_800_000_000_000


@pytest.fixture
def alice(store: None, plan: RegistryPlan) -> Iterator[int]:  # noqa: ARG001  (a fixture)
    """Alice's utility with a key and an event that is announced; real commits."""
    tenant_id = apply_plan(plan).tenant_id
    with tenant_scope(tenant_id):
        open_programme()
        add_key(tenant_id, PUBLIC, "root", NOW - timedelta(days=1))
        announce(person("alice-operator"), drafted().code, NOW)
    yield tenant_id
    with system_scope(durable=True), connection.cursor() as cursor:
        cursor.execute("select setval('settings_generation', 0)")


def versions(tenant_id: int) -> dict[str, int]:
    """Return every number that gateways compare with what they know."""
    settings, (groups,), (live,) = told(HUB, NOW), hub_groups([HUB]), live_calls(NOW)
    assert settings is not None
    (call,) = build_calls(live.event_id)
    return {
        "limits": settings.limits.version,
        "consents": settings.consents.version,
        "groups": groups.groups.version,
        "keys": key_rings()[tenant_id].version,
        "epoch": call.epoch,
    }


def test_every_version_is_larger_after_a_restore_than_any_was_before(alice: int) -> None:
    before = versions(alice)
    begin_generation(RESTORED_MS)
    after = versions(alice)
    assert all(after[name] > RESTORED_MS >= before[name] for name in before), (before, after)
    begin_generation(RESTORED_MS - 1000)  # a clock that was set back in between
    assert all(number >= after[name] for name, number in versions(alice).items())
