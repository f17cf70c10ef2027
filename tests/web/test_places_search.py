"""Places in forms: searched by name among those where the person may call events."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import translation
from tests.web import events_town
from tests.web.conftest import Town

from balans.web.shown.names import asked_words

URL = "/response/places/"


@pytest.fixture
def search(visit: Callable[[str], Client], utilities: Town) -> Callable[..., list[Any]]:
    """The search of Alice's operator, with a programme of the house beside that of the city."""
    assert utilities.alice
    events_town.open_programme()

    def found(text: str, username: str = "alice-operator", **more: str) -> list[Any]:
        answer = visit(username).get(URL, {"q": text} | more)
        assert answer.status_code == 200, answer.content
        return list(answer.json()["places"])

    return found


def codes(found: list[Any]) -> list[str]:
    return [one["code"] for one in found]


def test_by_name_by_code_and_by_what_it_lies_in(search: Callable[..., list[Any]]) -> None:
    assert codes(search("linden")) == ["alice-street", "alice-house"]
    assert search("FLAT-02") == [
        {
            "code": "alice-flat-02",
            "name": "Flat 2",
            "path": "Orhei / Linden Street / Linden Street 12 / Riser A",
        }
    ]
    assert codes(search("riser flat 3")) == ["alice-flat-03"]
    assert codes(search("linden 12 flat"))[:2] == ["alice-flat-01", "alice-flat-02"]
    assert codes(search("orhei linden 12 riser flat 4")) == ["alice-flat-04"]
    assert codes(search("street riser")) == ["alice-riser"]
    assert search("nowhere") == []
    assert search("riser orhei") == []


def test_without_words_the_topmost_come_first(search: Callable[..., list[Any]]) -> None:
    assert codes(search(""))[:3] == ["alice-city", "alice-street", "alice-house"]


def test_only_what_the_person_looks_after(search: Callable[..., list[Any]]) -> None:
    assert codes(search("flat 1", "bob-operator")) == ["bob-flat-01"]


@pytest.mark.parametrize("text", ["\0", "%", "_", "'; drop table node", "a" * 5000, "и" * 300])
def test_strange_words_find_nothing_or_little(search: Callable[..., list[Any]], text: str) -> None:
    assert len(search(text)) <= 20


def test_a_kind_is_understood_in_the_language_of_the_reader() -> None:
    with translation.override("ru"):
        assert asked_words("кварт 3") == [["кварт", "Flat"], ["3"]]
    with translation.override("en"):
        assert asked_words("flat 3") == [["flat"], ["3"]]
