"""Found devices, prepared lists, labels, hubs and modules: pages of operator and installer."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from tests.web import town
from tests.web.conftest import Town

from balans.core.words import DeviceKind
from balans.protocols.claim import claim_of
from balans.storage import found
from balans.storage.found import Heard
from balans.storage.models import Hub, MeterMounting, Module
from balans.storage.scope import system_scope, tenant_scope

SECRET = "4K7M0N2P9QRS5TVW"
LIST = "code;place;input;resource;meter;pulse_weight\n4711;alice-flat-04;1;heat;Q1;1 kWh\n"
HEAT = {
    "place": "alice-flat-04",
    "resource-1": "heat",
    "meter-1": "Q1",
    "weight-1": "1 kWh",
}


@pytest.fixture
def installer(visit: Callable[[str], Client]) -> Client:
    return visit("alice-installer")


@pytest.fixture
def heard(utilities: Town) -> None:
    """Alice's hub has heard module 4711, and a hub of nobody has introduced itself."""
    hear(utilities, "4711")
    with system_scope():
        claim = claim_of("hub-9", SECRET)
        found.note([Heard(kind=DeviceKind.HUB, code="hub-9", model="J100", claim=claim)], town.NOW)


def hear(utilities: Town, serial: str) -> None:
    with system_scope():
        hub = Hub.objects.get(code="alice-hub").pk
        one = Heard(
            kind=DeviceKind.MODULE,
            code=serial,
            tenant_id=utilities.alice,
            hub_id=hub,
            inputs=2,
            has_adapter=True,
            model="D100<b>",
        )
        found.note([one], town.NOW)


def text(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def confirm(client: Client, path: str, form: dict[str, str]) -> Any:
    """Give the form, read what is asked back, and say yes twice: the second changes nothing."""
    asked = client.post(path, form)
    assert asked.status_code == 200, text(asked)
    given = dict(asked.context["given"])
    assert given.items() >= form.items()
    done = client.post(path, {**given, "confirmed": "yes"}, follow=True)
    assert done.status_code == 200
    return done


@pytest.mark.usefixtures("heard")
class TestFound:
    def test_a_module_is_accepted_in_two_steps(self, operator: Client, utilities: Town) -> None:
        page = operator.get("/found/")
        assert "4711 2 inputs, switching adapter, D100" in text(page)
        assert "D100&lt;b&gt;" in page.content.decode()
        assert "hub-9" not in text(page)
        form = operator.get("/found/4711/").context["form"].values
        asked = operator.post("/found/4711/", {**form, **HEAT})
        assert "Accept module 4711?" in text(asked)
        assert "Input 1: Heat, meter Q1 at the new point alice-flat-04-heat." in text(asked)
        with tenant_scope(utilities.alice):
            assert not Module.objects.filter(serial=4711).exists()
        given = {**dict(asked.context["given"]), "confirmed": "yes"}
        for _ in range(2):  # the same form again
            done = text(operator.post("/found/4711/", given, follow=True))
            assert "The module is accepted: Flat 4." in done
            assert "input 1 counts meter Q1 at alice-flat-04-heat" in done
        with tenant_scope(utilities.alice):
            module = Module.objects.get(serial=4711)
            assert (module.has_adapter, module.hub_id is not None) == (True, True)
            assert MeterMounting.objects.filter(meter__serial="Q1").count() == 1
        assert "4711" not in text(operator.get("/found/"))
        assert "4711" in text(operator.get("/found/?state=accepted"))

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"place": ""}, "Choose the place."),
            ({"place": "bob-flat-01"}, "You may not mount there."),
            ({"weight-1": ""}, "Meter Q1 is new: give its pulse weight."),
            ({"resource-3": "gas", "meter-3": "G", "weight-3": "10 l"}, "inputs 1 to 2"),
        ],
    )
    def test_what_is_wrong_is_said(
        self, operator: Client, change: dict[str, str], words: str
    ) -> None:
        answer = operator.post("/found/4711/", {**HEAT, "adapter": "on", **change})
        assert answer.status_code == 422
        assert words in text(answer)

    def test_refused_and_taken_back(self, operator: Client) -> None:
        form = {"module": "4711", "action": "refuse", "reason": "of the neighbours"}
        assert "Module 4711 is refused." in text(operator.post("/found/", form, follow=True))
        assert "of the neighbours" in text(operator.get("/found/?state=refused"))
        form = {"module": "4711", "action": "take_back"}
        page = text(operator.post("/found/", form, follow=True))
        assert "Module 4711 waits again." in page
        assert "Accept…" in page
        assert operator.post("/found/", {"module": "4711"}).status_code == 400
        assert operator.post("/found/", {"module": "x", "action": "refuse"}).status_code == 404

    @pytest.mark.parametrize("name", ["alice-resident", "bob-operator", "alice-nobody"])
    def test_nobody_else_sees_it(self, visit: Callable[[str], Client], name: str) -> None:
        client = visit(name)
        assert "4711" not in text(client.get("/found/"))
        assert client.get("/found/4711/").status_code == 404
        assert client.post("/found/4711/", HEAT).status_code == 404
        form = {"module": "4711", "action": "refuse"}
        assert client.post("/found/", form).status_code == 404

    def test_an_installer_of_the_building_sees_what_its_hub_heard(self, installer: Client) -> None:
        assert "4711" in text(installer.get("/found/"))


class TestPrepared:
    def test_a_list_is_kept_and_accepts_by_itself(self, operator: Client, utilities: Town) -> None:
        file = SimpleUploadedFile("list.csv", b"\xef\xbb\xbf" + LIST.encode())
        page = operator.post("/prepared/", {"file": file}, follow=True)
        assert "1 device prepared." in text(page)
        assert "Module 4711 Flat 4 1: Heat, Q1 waiting" in text(page)
        again = operator.post("/prepared/", {"text": LIST}, follow=True)
        assert "0 devices prepared, 1 was so already." in text(again)
        hear(utilities, "4711")
        assert "accepted" in text(operator.get("/prepared/"))
        assert "input 1 counts meter Q1" in text(operator.get("/modules/4711/"))

    def test_faults_are_listed_by_line_and_nothing_is_kept(self, operator: Client) -> None:
        given = LIST + "4712;nowhere;;;;\n"
        page = operator.post("/prepared/", {"text": given})
        assert page.status_code == 422
        assert "line 3 : node nowhere: not found" in text(page)
        assert given.strip() in page.content.decode()  # to be mended
        assert "Nothing is prepared" in text(page)
        page = operator.post("/prepared/", {"text": "code,place\nx,y z\n"})
        assert "line 2 : code: &#x27;x&#x27; is not a serial number" in text(page)

    def test_a_file_that_is_no_text(self, operator: Client) -> None:
        file = SimpleUploadedFile("list.csv", b"PK\x03\x04\xff")
        page = operator.post("/prepared/", {"file": file})
        assert page.status_code == 422
        assert "byte 4 is no UTF-8 text" in text(page)

    def test_labels_carry_everything(self, operator: Client) -> None:
        operator.post("/prepared/", {"text": LIST})
        page = operator.get("/prepared/labels/").content.decode()
        assert 'aria-label="BALANS:M:4711:3@alice-flat-04;1=heat,Q1,1/kWh"' in page
        assert "<svg" in page
        form = operator.get(
            "/mount/alice-house/", {"module": "BALANS:M:4711:3@alice-flat-04;1=heat,Q1,1/kWh"}
        ).context["form"]
        assert form.text("meter-1") == "Q1"

    def test_withdrawn(self, operator: Client) -> None:
        operator.post("/prepared/", {"text": LIST})
        (row,) = operator.get("/prepared/").context["rows"]
        form = {"action": "withdraw", "prepared": str(row["id"])}
        assert "The line is withdrawn." in text(operator.post("/prepared/", form, follow=True))
        assert "waits no more" in text(operator.post("/prepared/", form, follow=True))
        form["prepared"] = "x"
        assert operator.post("/prepared/", form).status_code == 400

    def test_nobody_prepares_where_nothing_is_theirs(
        self, visit: Callable[[str], Client], operator: Client
    ) -> None:
        page = visit("bob-operator").post("/prepared/", {"text": LIST})
        assert page.status_code == 422
        assert visit("alice-resident").post("/prepared/", {"text": LIST}).status_code == 422
        assert "Nothing is prepared" in text(operator.get("/prepared/"))


@pytest.mark.usefixtures("heard")
class TestHubs:
    LABEL = f"BALANS:H:hub-9:{SECRET}"

    def test_the_secret_makes_it_ones_own(self, operator: Client, utilities: Town) -> None:
        form = {"label": self.LABEL, "site": "alice-house", "name": "Roof"}
        page = text(confirm(operator, "/claim/", form))
        assert "Hub hub-9 is accepted." in page
        assert "registered at Linden Street 12" in page
        with tenant_scope(utilities.alice):
            assert Hub.objects.get(code="hub-9").name == "Roof"

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"label": ""}, "Scan the label of the hub, or type its code."),
            ({"label": "BALANS:M:1:3"}, "label of a module"),
            ({"label": "BALANS:Q:1"}, "This is no label of a hub"),
            ({"label": "hub-9"}, "Give the secret of the label"),
            ({"label": "hub-9", "secret": "short"}, "Give the secret of the label"),
            ({"label": "hub-9", "secret": "A" * 16}, "No hub hub-9 waits with this secret"),
            (
                {"label": "alice-hub", "secret": "A" * 16, "site": "alice-street"},
                "No hub alice-hub waits",
            ),
            ({"site": ""}, "Choose the site."),
            ({"site": "bob-house"}, "You may not register a hub there."),
        ],
    )
    def test_what_is_wrong_is_said(
        self, operator: Client, change: dict[str, str], words: str
    ) -> None:
        form = {"label": self.LABEL, "site": "alice-house", **change}
        for confirmed in ({}, {"confirmed": "yes"}):
            answer = operator.post("/claim/", {**form, **confirmed})
            assert answer.status_code == 422
            assert words in text(answer)

    def test_replaced_moved_removed(self, operator: Client, utilities: Town) -> None:
        page = confirm(operator, "/hubs/alice-hub/", {"action": "replace", "label": self.LABEL})
        assert "Hub hub-9 has taken the place of alice-hub." in text(page)
        form = {"action": "move", "site": "alice-street"}
        assert "moved from Linden Street 12 to Linden Street" in text(
            confirm(operator, "/hubs/hub-9/", form)
        )
        assert "The hub is removed." in text(
            confirm(operator, "/hubs/hub-9/", {"action": "remove"})
        )
        assert operator.get("/hubs/hub-9/").status_code == 404
        with tenant_scope(utilities.alice):
            assert not Module.objects.filter(hub__isnull=False).exists()

    @pytest.mark.parametrize("name", ["alice-resident", "bob-operator", "alice-manager"])
    def test_nobody_else(self, visit: Callable[[str], Client], name: str) -> None:
        client = visit(name)
        for action in ("", "remove"):
            answer = client.post("/hubs/alice-hub/", {"action": action, "confirmed": "yes"})
            assert answer.status_code in {403, 404}
        assert client.get("/hubs/alice-hub/").status_code in {403, 404}
        form = {"label": self.LABEL, "site": "alice-house", "confirmed": "yes"}
        assert client.post("/claim/", form).status_code == 422


class TestModules:
    def test_replaced_with_its_history(self, operator: Client) -> None:
        form = {"action": "replace", "successor": "BALANS:M:4711:3", "dial-1": "12,5"}
        asked = operator.post("/modules/1001/", form)
        assert "Meter alice-flat-01-el goes on at 12.5 kWh." in text(asked)
        page = text(confirm(operator, "/modules/1001/", form))
        assert "Module 4711" in page
        assert "input 1 counts meter alice-flat-01-el at alice-flat-01-el" in page
        old = text(operator.get("/modules/1001/"))
        assert "out of service since 12 January, 18:00" in old
        assert "counts meter alice-flat-01-el at alice-flat-01-el no more" in old

    def test_moved_and_removed(self, operator: Client) -> None:
        form = {"action": "move", "place": "alice-flat-02", "dial-2": "7"}
        page = text(confirm(operator, "/modules/1001/", form))
        assert "moved from Flat 1 to Flat 2" in page
        assert "No input counts a meter." in page
        page = text(confirm(operator, "/modules/1002/", {"action": "remove"}))
        assert "taken out of service" in page
        assert "Module 1002" not in text(operator.get("/nodes/alice-house/devices/"))

    @pytest.mark.parametrize(
        ("form", "words"),
        [
            ({"action": "replace", "successor": "soap"}, "Scan the label of the new module"),
            ({"action": "replace", "successor": "1001"}, "Give the number of another module."),
            ({"action": "replace", "successor": "1002"}, "Module 1002 hangs at Flat 2 already"),
            ({"action": "replace", "successor": "2001"}, "registered for another time"),
            ({"action": "move", "place": "bob-flat-01"}, "Choose the place."),
            ({"action": "remove", "dial-1": "soap"}, "“soap” is no reading"),
        ],
    )
    def test_what_is_wrong_is_said(
        self, operator: Client, form: dict[str, str], words: str
    ) -> None:
        answer = operator.post("/modules/1001/", {**form, "confirmed": "yes"})
        assert answer.status_code == 422
        assert words in text(answer)

    @pytest.mark.parametrize("code", ["2001", "9", "x", "99999999999"])
    def test_what_is_not_there(self, operator: Client, code: str) -> None:
        assert operator.get(f"/modules/{code}/").status_code == 404

    @pytest.mark.parametrize("name", ["alice-resident", "bob-operator", "alice-manager"])
    def test_nobody_else(self, visit: Callable[[str], Client], name: str) -> None:
        answer = visit(name).post("/modules/1001/", {"action": "remove", "confirmed": "yes"})
        assert answer.status_code in {403, 404}
        assert visit(name).get("/nodes/alice-house/devices/").status_code in {403, 404}

    def test_they_are_listed_and_found(self, installer: Client) -> None:
        page = text(installer.get("/nodes/alice-house/devices/"))
        assert "Hub alice-hub Linden Street 12 12 modules, runs load control" in page
        assert "Module 1001 Flat 1 3 meters alice-hub" in page
        page = text(installer.get("/nodes/alice-house/devices/?q=1001&page=99"))
        assert "1001" in page
        assert "1002" not in page
        assert "No device" in text(installer.get("/nodes/alice-house/devices/?q=%25"))


NASTY = ("\x00", "a\x00b", "％", "9" * 400, "<b>", "../..", "-1", "1e9", "٣")


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.usefixtures("heard")
def test_no_text_breaks_a_form(operator: Client, text: str) -> None:
    """Whatever stands in a field, the answer is a page that says something about it."""
    forms: dict[str, list[dict[str, str]]] = {
        "/mount/alice-house/": [
            {**HEAT, "module": "4711", "token": text, name: text}
            for name in ("place", "module", "resource-1", "meter-1", "weight-1", "ratio-1")
        ],
        "/found/4711/": [{**HEAT, "token": text}, {**HEAT, "place": text}],
        "/found/": [{"module": "4711", "action": "refuse", "reason": text}, {"module": text}],
        "/prepared/": [{"text": f"code,place\n{text},{text}\n"}, {"text": f"BALANS:M:1@{text}"}],
        "/claim/": [
            {"label": "hub-9", "secret": SECRET, "site": "alice-house", "name": text},
            {"label": "hub-9", "secret": SECRET, "site": text},
            {"label": text, "secret": text},
        ],
        "/modules/1001/": [
            {"action": "replace", "successor": text},
            {"action": "move", "place": text},
            {"action": "remove", "dial-1": text},
        ],
        "/hubs/alice-hub/": [{"action": "move", "site": text}, {"action": text}],
    }
    for path, given in forms.items():
        for form in given:
            for more in ({}, {"confirmed": "yes"}):
                assert operator.post(path, {**form, **more}).status_code < 500, (path, form)


@pytest.mark.parametrize("text", ["%00", "%ED%A0%80", "..", "9" * 300])
def test_no_address_breaks_a_page(operator: Client, text: str) -> None:
    for path in ("mount", "found", "modules", "hubs"):
        assert operator.get(f"/{path}/{text}/").status_code in {400, 404}
    assert operator.post(f"/mount/{text}/test/", {"module": "1"}).status_code in {400, 404}
    assert operator.get(f"/nodes/{text}/devices/").status_code in {400, 404}


@pytest.mark.parametrize("name", ["alice-installer", "alice-operator"])
@pytest.mark.usefixtures("heard")
def test_every_link_leads_to_a_page(visit: Callable[[str], Client], name: str) -> None:
    client = visit(name)
    client.post("/prepared/", {"text": LIST})
    waiting = ["/", "/found/", "/found/?state=refused", "/mount/", "/prepared/"]
    seen: dict[str, int] = {}
    shapes: dict[str, int] = {}
    while waiting:
        path = waiting.pop(0)
        shape = re.sub(r"\d+", "#", path)
        shapes[shape] = shapes.get(shape, 0) + 1
        if path in seen or shapes[shape] > 2:
            continue
        answer = client.get(path, follow=True)
        seen[path] = answer.status_code
        if "text/html" in answer.headers["Content-Type"]:
            links = re.findall(r'<a [^>]*href="(/[^"#]*)', answer.content.decode())
            waiting += [link.replace("&amp;", "&") for link in links]
    assert {path: status for path, status in seen.items() if status != 200} == {}
    assert {"/modules/1001/", "/nodes/alice-house/devices/", "/mount/alice-house/"} <= set(seen)
