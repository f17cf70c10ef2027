"""What is not yours does not exist: other tenants, other flats, and what a role may not do."""

from collections.abc import Callable

import pytest
from django.test import Client

FORMS = (
    "/sites/{}-house/",
    "/sites/{}-house/day/",
    "/sites/{}-house/transformer/",
    "/nodes/{}-city/",
    "/nodes/{}-house/",
    "/nodes/{}-flat-01/",
    "/flats/{}-flat-01/",
    "/points/{}-flat-01-el/",
    "/points/{}-flat-01-el/readings.csv",
)
SWITCH = {"load": "flat-01-heat", "action": "off", "reason": "test", "minutes": "15"}


@pytest.mark.parametrize("path", FORMS)
def test_another_tenant_gets_not_found(operator: Client, path: str) -> None:
    assert operator.get(path.format("alice")).status_code == 200
    assert operator.get(path.format("bob")).status_code == 404


def test_pages_name_nothing_of_another_tenant(operator: Client) -> None:
    for path in ("/", "/nodes/alice-city/", "/sites/alice-house/"):
        assert "bob" not in operator.get(path).content.decode()


@pytest.mark.parametrize(
    "path",
    [
        "/sites/alice-house/",
        "/sites/alice-house/day/",
        "/sites/alice-house/transformer/",
        "/nodes/alice-house/",
        "/nodes/alice-city/",
        "/flats/alice-flat-02/",
        "/points/alice-flat-02-el/",
        "/points/alice-flat-02-el/readings.csv",
        "/points/alice-inflow/",
    ],
)
def test_a_resident_sees_the_own_flat_only(resident: Client, path: str) -> None:
    assert resident.get(path).status_code == 404


@pytest.mark.parametrize(
    "path", ["/", "/flats/alice-flat-01/", "/nodes/alice-flat-01/", "/points/alice-flat-01-el/"]
)
def test_a_resident_sees_the_own_flat(resident: Client, path: str) -> None:
    page = resident.get(path)
    assert page.status_code == 200
    assert "Linden" not in page.content.decode()
    assert "Flat 2" not in page.content.decode()


def test_a_manager_watches_and_switches_nothing(visit: Callable[[str], Client]) -> None:
    manager = visit("alice-manager")
    page = manager.get("/sites/alice-house/").content.decode()
    assert "Load of the building" in page
    assert "Switch a load" not in page
    manager.post("/sites/alice-house/", SWITCH)
    assert "flat-01-heat" not in log_of(manager)
    assert "queued" not in log_of(manager)


def log_of(client: Client) -> str:
    page = client.get("/sites/alice-house/").content.decode()
    return page[page.index('id="log"') :]


def test_who_may_nothing_finds_nothing(visit: Callable[[str], Client]) -> None:
    nobody = visit("alice-nobody")
    for path in FORMS:
        assert nobody.get(path.format("alice")).status_code == 404
