"""English, Russian and Romanian: chosen by the browser, or by a click that is remembered."""

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import translation
from django.utils.translation import ngettext
from tests.web import town

from balans.storage.scope import system_scope

TITLES = {"en": "Sign in", "ru": "Вход", "ro": "Autentificare"}


def page_in(language: str, client: Client) -> str:
    page: str = client.get("/login/", headers={"Accept-Language": language}).content.decode()
    return page


@pytest.mark.parametrize("language", TITLES)
def test_the_browser_s_language_is_spoken(language: str) -> None:
    page = page_in(language, Client())
    assert f'<html lang="{language}">' in page
    assert f'<h1 id="signin-title">{TITLES[language]}</h1>' in page


def test_an_unknown_language_falls_back_to_english() -> None:
    assert '<html lang="en">' in page_in("ja", Client())


def test_the_choice_is_remembered() -> None:
    client = Client()
    answer = client.post("/language/", {"language": "ro", "next": "/login/"})
    assert (answer.status_code, answer["Location"]) == (302, "/login/")
    assert '<html lang="ro">' in page_in("ru", client)


def test_the_choice_leads_to_no_other_host() -> None:
    answer = Client().post("/language/", {"language": "ro", "next": "https://evil.example/"})
    assert answer["Location"] == "/"


def speak(username: str, language: str) -> None:
    with system_scope():
        get_user_model().objects.filter(username=username).update(language=language)


def test_an_account_has_a_language_until_another_is_chosen(operator: Client) -> None:
    speak("alice-operator", "ro")
    english = {"Accept-Language": "en"}
    assert '<html lang="ro">' in operator.get("/", headers=english).content.decode()
    operator.post("/language/", {"language": "ru"})
    assert '<html lang="ru">' in operator.get("/", headers=english).content.decode()


@pytest.mark.parametrize("language", ["", "xx"])
def test_an_account_without_a_language_speaks_the_browser_s(
    operator: Client, language: str
) -> None:
    speak("alice-operator", language)
    page = operator.get("/", headers={"Accept-Language": "ro"}).content.decode()
    assert '<html lang="ro">' in page


def test_numbers_follow_the_language(operator: Client) -> None:
    town.seed_readings()
    operator.post("/language/", {"language": "ru"})
    page = operator.get("/points/alice-flat-01-el/?date=2026-01-11")
    assert page.context["profile"]["total"] == "2,676"
    assert page.context["profile"]["register"] == "29\xa0313"
    assert page.context["period"].title == "Воскресенье, 11 января 2026"


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        ("ru", {1: "1 нагрузка отключена", 3: "3 нагрузки отключены", 8: "8 нагрузок отключено"}),
        ("ro", {1: "1 sarcină oprită", 3: "3 sarcini oprite", 20: "20 de sarcini oprite"}),
    ],
)
def test_plurals(language: str, texts: dict[int, str]) -> None:
    with translation.override(language):
        for count, text in texts.items():
            assert (
                ngettext("%(count)d load is off", "%(count)d loads are off", count)
                % {"count": count}
                == text
            )
