"""The installer's page: what is entered, what is wrong, what comes twice, and who may."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from tests.web import town
from tests.web.conftest import Town

from balans.core.words import DeviceKind
from balans.storage import found
from balans.storage.found import Heard
from balans.storage.models import MeteringPoint, MeterMounting, Module
from balans.storage.scope import system_scope, tenant_scope

PAGE = "/mount/alice-house/"
JSON = {"Accept": "application/json"}


@pytest.fixture
def installer(visit: Callable[[str], Client]) -> Client:
    return visit("alice-installer")


def sheet(**values: str) -> dict[str, str]:
    return {
        "token": str(uuid4()),
        "place": "alice-flat-04",
        "module": "BALANS:M:4711:3",
        "resource-1": "electricity",
        "meter-1": "E77",
        "weight-1": "1600/kWh",
        "dial-1": "123,4",
        "resource-2": "cold_water",
        "meter-2": "W77",
        "weight-2": "10 l",
        **values,
    }


def free_flat(town_ids: Town) -> None:
    """Let flat 4 have points without meters, and no module."""
    with tenant_scope(town_ids.alice):
        MeterMounting.objects.filter(point__node__code="alice-flat-04").delete()


def hanging(town_ids: Town) -> list[tuple[str, str, int]]:
    with tenant_scope(town_ids.alice):
        rows = MeterMounting.objects.filter(channel__module__serial=4711, valid_to__isnull=True)
        return [
            (row.meter.serial, row.point.code, row.channel.input if row.channel else 0)
            for row in rows.order_by("channel__input").select_related("meter", "point", "channel")
        ]


def test_an_installer_comes_to_the_only_building(installer: Client) -> None:
    answer = installer.get("/", follow=True)
    assert [address for address, _ in answer.redirect_chain] == ["/mount/", PAGE]
    page = answer.content.decode()
    assert "Mounting: Linden Street 12" in page
    assert "4 of 4 places have a module" in page


def test_what_is_entered_hangs_there(installer: Client, utilities: Town) -> None:
    free_flat(utilities)
    answer = installer.post(PAGE, sheet(), follow=True)
    page = answer.content.decode()
    assert "Flat 4: saved." in page
    assert "Input 1: Electricity, meter E77, point alice-flat-04-el" in page
    assert hanging(utilities) == [
        ("E77", "alice-flat-04-el", 1),
        ("W77", "alice-flat-04-cw", 2),
    ]
    # what is the same from flat to flat stands in the next form
    form = answer.context["form"]
    assert (form.text("resource-1"), form.text("weight-1")) == ("electricity", "1600/kWh")
    assert (form.text("meter-1"), form.text("dial-1"), form.text("module")) == ("", "", "")


def test_a_form_that_comes_twice_changes_nothing_twice(
    installer: Client, utilities: Town, site_time: Any
) -> None:
    free_flat(utilities)
    given = sheet()
    first = installer.post(PAGE, given, headers=JSON)
    site_time.set((town.NOW + timedelta(hours=1)).timestamp())
    again = installer.post(PAGE, given, headers=JSON)
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert first.json()["done"]["serial"] == "4711"
    assert first.json()["done"]["title"] == "Flat 4"
    # another form with the same content says that it was so already
    third = installer.post(PAGE, sheet(), headers=JSON).json()["done"]
    assert third["note"].startswith("It was so already")
    assert len(hanging(utilities)) == 2


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"place": ""}, "place", "Choose the place."),
        ({"place": "bob-flat-01"}, "place", "You may not mount there."),
        ({"place": "nowhere"}, "place", "You may not mount there."),
        ({"module": ""}, "module", "Scan the label"),
        ({"module": "soap"}, "module", "“soap” is no label of a module"),
        ({"module": "BALANS:H:hub-1"}, "module", "label of a hub"),
        ({"module": "2001"}, "module", "registered by another utility"),
        ({"module": "1001"}, "module", "Module 1001 hangs at Flat 1 already"),
        ({"module": "BALANS:M:4711:3@alice-flat-01"}, "place", "prepared for another place"),
        ({"resource-1": "beer"}, "resource-1", "Choose what this meter measures."),
        ({"resource-1": ""}, "resource-1", "Choose what this meter measures."),
        ({"meter-1": ""}, "meter-1", "Give the number of the meter."),
        ({"weight-1": "heavy"}, "weight-1", "“heavy” is no pulse weight"),
        ({"weight-1": ""}, "weight-1", "Meter E77 is new: give its pulse weight."),
        ({"ratio-1": "x"}, "ratio-1", "“x” is no transformer ratio"),
        ({"dial-1": "12.34.5"}, "dial-1", "“12.34.5” is no reading"),
        ({"meter-1": "alice-flat-01-el", "weight-1": ""}, "meter-1", "hangs at Flat 1"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    installer: Client, utilities: Town, change: dict[str, str], field: str, words: str
) -> None:
    free_flat(utilities)
    answer = installer.post(PAGE, sheet(**change), headers=JSON)
    assert answer.status_code == 422
    assert words in answer.json()["errors"][field]
    page = installer.post(PAGE, sheet(**change))
    assert page.status_code == 422
    assert words.replace("'", "&#x27;") in page.content.decode()
    assert hanging(utilities) == []


def test_a_label_prepared_at_the_desk_fills_the_form(installer: Client) -> None:
    text = "BALANS:M:4711:2A@alice-flat-02;1=gas,G7,10 l,12.5"
    form = installer.get(PAGE, {"module": text}).context["form"]
    assert form.text("place") == "alice-flat-02"
    assert (form.text("meter-1"), form.text("weight-1"), form.text("dial-1")) == (
        "G7",
        "10 l",
        "12.5",
    )
    assert form.text("adapter") == "on"


@pytest.mark.parametrize("text", ["", "soap", "BALANS:M:9:9", "9" * 30, "\x00"])
def test_any_text_in_the_address_gives_the_form(installer: Client, text: str) -> None:
    assert installer.get(PAGE, {"module": text}).status_code == 200


def test_the_test_reading_says_how_it_stands(
    installer: Client, utilities: Town, operator: Client
) -> None:
    free_flat(utilities)
    installer.post(PAGE, sheet(), headers=JSON)
    told = installer.post(f"{PAGE}test/", {"module": "4711"}, headers=JSON).json()
    assert told == {
        "inputs": [{"text": f"Input {n}: no hub has heard it yet", "tone": "warn"} for n in (1, 2)],
        "over": True,
    }
    with system_scope():
        hub = Module.objects.get(serial=1001).hub_id
        found.note(
            [
                Heard(
                    kind=DeviceKind.MODULE,
                    code="4711",
                    tenant_id=utilities.alice,
                    hub_id=hub,
                )
            ],
            town.NOW,
        )
    told = installer.post(f"{PAGE}test/", {"module": "4711"}, headers=JSON).json()
    assert told["over"] is False
    assert told["inputs"][0]["text"] == "Input 1: asking the module"
    page = installer.post(f"{PAGE}test/", {"module": "4711"}, follow=True).content.decode()
    assert "4711: Input 1: asking the module" in page
    assert installer.post(f"{PAGE}test/", {"module": "x"}).status_code == 404
    assert operator.post("/mount/alice-flat-01/test/", {"module": "2001"}).status_code == 404


@pytest.mark.parametrize(
    "name", ["alice-resident", "alice-manager", "alice-nobody", "bob-operator"]
)
def test_nobody_else_mounts(visit: Callable[[str], Client], utilities: Town, name: str) -> None:
    client = visit(name)
    assert client.get(PAGE).status_code in {403, 404}
    assert client.post(PAGE, sheet()).status_code in {403, 404}
    assert hanging(utilities) == []
    with tenant_scope(utilities.alice):
        assert not MeteringPoint.objects.filter(code="alice-flat-04-cw-2").exists()


def test_without_the_right_anywhere_there_is_nowhere_to_mount(resident: Client) -> None:
    assert "Ask the operator for the right to mount" in resident.get("/mount/").content.decode()
