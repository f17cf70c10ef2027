"""The page of imports: who may bring what, what is told by line, and what happens then."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from tests.web import town

from balans.adapters.sheets import read_workbook
from balans.storage import imports
from balans.storage.flush import flush_inbox
from balans.storage.models import Node
from balans.storage.readings import export_rows
from balans.storage.scope import system_scope

START = town.START.isoformat()
LATER = (town.START + timedelta(hours=1)).isoformat()
GOOD = f"channel,time,register\n1004-1,{START},5\n1004-1,{LATER},6\n"
BAD = f"channel,time,register\n1004-1,{START},5\n1004-1,soon,6\n1004-1,{LATER},many\n"


def bring(client: Client, text: str, name: str = "r.csv", **fields: str) -> str:
    """Bring a file and return where the page sends the browser."""
    form = {"kind": "readings", "file": SimpleUploadedFile(name, text.encode()), **fields}
    answer = client.post("/imports/", form)
    assert answer.status_code == 302, answer.content.decode()
    return str(answer["Location"])


def text_of(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_file_is_taken_and_told_of(operator: Client) -> None:
    address = bring(operator, GOOD)
    page = text_of(operator, address)
    assert "imported" in page
    assert "Nothing odd" in page
    flush_inbox(town.NOW)
    with system_scope():
        assert len(list(export_rows())) == 2
    assert address in text_of(operator, "/imports/")
    assert operator.get(f"{address}file/").content == GOOD.encode()


def test_findings_stand_by_line_and_by_kind(operator: Client) -> None:
    address = bring(operator, BAD)
    page = text_of(operator, address)
    assert "Nothing of this file was taken" in page
    assert "time: &#x27;soon&#x27;: expected a time of the years 2000 to 2099" in page
    assert page.index("soon") < page.index("many")
    only = text_of(operator, f"{address}?code=time&severity=error")
    assert "soon" in only
    assert "many" not in only


def test_what_is_good_can_be_taken_afterwards(operator: Client) -> None:
    refused = bring(operator, BAD)
    taken = operator.post(refused)["Location"]
    assert taken != refused
    assert "imported" in text_of(operator, taken)
    flush_inbox(town.NOW)
    with system_scope():
        assert len(list(export_rows())) == 1


def test_a_file_that_was_only_checked_can_be_taken(operator: Client) -> None:
    checked = bring(operator, GOOD, check="on")
    assert "only checked" in text_of(operator, checked)
    flush_inbox(town.NOW)
    with system_scope():
        assert len(list(export_rows())) == 0
    operator.post(checked)
    flush_inbox(town.NOW)
    with system_scope():
        assert len(list(export_rows())) == 2


def test_many_findings_come_in_pages(operator: Client) -> None:
    rows = "".join(f"1004-1,never,{n}\n" for n in range(150))
    address = bring(operator, f"channel,time,register\n{rows}")
    first = text_of(operator, address)
    assert "1 to 100 of 150" in first
    assert "101 to 150 of 150" in text_of(operator, f"{address}?from=100")


def test_a_registry_goes_out_and_comes_in(operator: Client) -> None:
    book = operator.get("/registry.xlsx").content
    sheets = read_workbook(book, "registry.xlsx")
    assert [sheet.name for sheet in sheets][:3] == ["tenant", "nodes", "points"]
    text = operator.get("/registry.csv").content.decode()
    assert town.PASSWORD not in text
    file = SimpleUploadedFile("registry.xlsx", book)
    address = operator.post("/imports/", {"kind": "registry", "file": file})["Location"]
    with system_scope():
        (kept,) = imports.latest()
    assert (kept.state, kept.result["updated"], kept.result["errors"]) == ("applied", 0, 0)
    assert "imported" in text_of(operator, address)


NODES = "[nodes]\ncode,name,kind,parent\nalice-new,New flat,flat,alice-riser\n"


def test_a_registry_with_a_fault_changes_nothing(operator: Client) -> None:
    address = bring(operator, NODES + "x,Bad,hut,alice-riser\n", kind="registry")
    page = text_of(operator, address)
    assert "nodes" in page
    assert "&#x27;hut&#x27;: expected one of region" in page
    with system_scope():
        assert not Node.objects.filter(code="alice-new").exists()
    operator.post(address)
    with system_scope():
        assert Node.objects.filter(code="alice-new").exists()


def test_passwords_forbid_to_take_a_kept_registry(operator: Client) -> None:
    text = "[accounts]\nusername,password,grants\nnew,a long secret,chief@alice-city\n"
    page = text_of(operator, bring(operator, text, kind="registry"))
    assert "Take the good rows" not in page


@pytest.mark.parametrize(
    ("content", "fields", "says"),
    [
        (b"", {}, "empty"),
        (b"PK\x03\x04", {}, "no workbook"),
        (b"a,b\n1,2\n", {}, "no column &#x27;time&#x27;"),
        (GOOD.encode(), {"timezone": "Mars/City"}, "Time zone Mars/City is not known"),
        (GOOD.encode(), {"time_format": "%H"}, "time format"),
        (GOOD.encode(), {"max_gap_h": "long"}, "The longest gap is a number of hours."),
        (GOOD.encode(), {"max_gap_h": "nan"}, "The longest gap is a number of hours."),
    ],
)
def test_what_cannot_be_read_is_told_at_once(
    operator: Client, content: bytes, fields: dict[str, str], says: str
) -> None:
    form = {"kind": "readings", "file": SimpleUploadedFile("r.csv", content), **fields}
    answer = operator.post("/imports/", form)
    assert answer.status_code == 422
    assert says in answer.content.decode()


def test_without_a_file_the_form_says_so(operator: Client) -> None:
    answer = operator.post("/imports/", {"kind": "readings"})
    assert answer.status_code == 422
    assert "Choose a file." in answer.content.decode()


def test_others_see_nothing_of_it(
    operator: Client, visit: Callable[[str], Client], resident: Client
) -> None:
    address = bring(operator, GOOD)
    bob = visit("bob-operator")
    for path in (address, f"{address}file/"):
        assert bob.get(path).status_code == 404
    assert address not in text_of(bob, "/imports/")
    for client in (resident, visit("alice-manager"), visit("alice-nobody")):
        assert client.get("/imports/").status_code == 403
        assert client.get("/registry.xlsx").status_code == 403
        assert client.get(address).status_code in {403, 404}
        file = SimpleUploadedFile("r.csv", GOOD.encode())
        assert client.post("/imports/", {"kind": "readings", "file": file}).status_code == 403
    assert operator.get(f"/imports/{10**30}/").status_code == 404


def test_readings_of_others_are_not_there(visit: Callable[[str], Client]) -> None:
    page = text_of(visit("bob-operator"), bring(visit("bob-operator"), GOOD))
    assert "is not registered" in page
