"""``balans balance`` on a real database, as scripts call it."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from django.db import connection
from tests.adapters.balance_town import RATES, deliver, node_of, steady, street_plan
from tests.adapters.conftest import small_plan

from balans.core.words import Resource
from balans.domain.balances import Side
from balans.storage.balance_hand import HandPlan, Member, save_group
from balans.storage.registry import apply_plan
from balans.storage.scope import tenant_scope

SPAN = ("--from", "2026-03-27T13:00", "--to", "2026-03-27T15:00")  # 12:00 to 14:00 UTC


@pytest.fixture
def _street(store: None) -> None:
    """The street, with one register of a flat missing."""
    assert store is None
    apply_plan(street_plan())
    readings = steady(RATES, range(-24, 60))
    del readings["f12"][2]
    deliver(readings)
    for code, other in (("alice", street_plan()), ("bob", small_plan("bob", 9000))):
        tenant_id = apply_plan(other).tenant_id
        node, point = {"alice": ("b1", "shop"), "bob": ("bob-house", "bob-p1")}[code]
        members = (Member(Side.OUTFLOW, point),)
        with tenant_scope(tenant_id):
            save_group(
                node_of(tenant_id, node), HandPlan("twice", "", Resource.ELECTRICITY, members)
            )
    connection.close()


def balans(url: str, *args: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if "BALANS_" not in name}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    environment |= {"BALANS_DATABASE_URL": url, "BALANS_MQTT_URL": "mqtt://127.0.0.1:1"}
    return subprocess.run(
        [sys.executable, "-m", "balans", "balance", *args],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


@pytest.mark.usefixtures("_street")
def test_the_command(django_database_url: str) -> None:
    done = balans(django_database_url, "b1", *SPAN, "--step", "hour", "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert (found["node"], found["unit"], found["timezone"]) == ("b1", "kWh", "Europe/Paris")
    first, second = found["intervals"]
    assert first == {
        "from": "2026-03-27T13:00:00+01:00",
        "to": "2026-03-27T14:00:00+01:00",
        "inflow": 0.105,
        "outflow": 0.1,
        "losses_technical": None,
        "imbalance": 0.005,
        "completeness": 1.0,
        "inflow_known": 0.105,
        "outflow_known": 0.1,
        "points": {"expected": 5, "known": 5, "suspect": 0, "estimated": 0},
        "missing": [],
        "incorrect": [],
        "suspect": [],
        "why": {},
    }
    assert (second["inflow"], second["outflow"], second["imbalance"]) == (0.105, None, None)
    assert (second["completeness"], second["missing"]) == (0.8, ["f12"])
    assert second["why"] == {"f12": "missing"}
    text = balans(django_database_url, "street", *SPAN, "--step", "hour").stdout.splitlines()
    assert text[2].split() == ["2026-03-27", "13:00", "0.159", "0.153", "-", "0.006", "100.0", "%"]
    assert text[3].split() == ["2026-03-27", "14:00", "0.159", "-", "-", "-", "88.8", "%", "f12"]
    day = balans(django_database_url, "b1", *SPAN, "--json")
    (interval,) = json.loads(day.stdout)["intervals"]
    assert (interval["imbalance"], interval["missing"]) == (None, ["f12"])


@pytest.mark.usefixtures("_street")
@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (("nowhere", *SPAN), "nowhere: no node and no balance group has this code"),
        (("f11", *SPAN), "f11: no balance, for nothing flows in here and nothing below is metered"),
        (("b1", *SPAN, "--resource", "gas"), "--resource gas: b1 has a balance of electricity"),
        (("b1", *SPAN, "--resource", "air"), "--resource air: expected one of electricity, react"),
        (("b1", *SPAN, "--step", "week"), "--step week: expected one of hour, day, month, year"),
        (("b1", "--from", "noon", *SPAN[2:]), "--from noon: expected ISO 8601, such as"),
        (("b1", "--from", "2026-04-01", *SPAN[2:]), "the end is not later"),
        (("b1", "--from", "1950-01-01", *SPAN[2:], "--step", "hour"), "more than 20000 intervals"),
        (("b1", "--from", "0001-01-01", *SPAN[2:]), "expected a year from 1900 to 2200"),
        (("b1", *SPAN[:2], "--to", "9999-12-31T23:59"), "expected a year from 1900 to 2200"),
        (("b1", "--from", "2026-03-29T02:30", "--to", "2026-03-29T03:30"), "the end is not later"),
        (("b\udcff", *SPAN), "no code has such characters"),
        (("twice", *SPAN), "twice: several tenants have a balance group of this code"),
    ],
)
def test_what_is_wrong_is_named(
    django_database_url: str, args: tuple[str, ...], complaint: str
) -> None:
    done = balans(django_database_url, *args)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
