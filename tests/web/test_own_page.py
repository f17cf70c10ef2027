"""What owners decide: own limits, pauses, consent; who may, what is asked back, what is kept."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from tests.adapters.told_settings import consents_told, limits_told
from tests.web import control_town, town

from balans.core.words import LimitSource
from balans.storage.live import save_statuses

FLAT = "/nodes/alice-flat-01/own/"
LIMIT = {"action": "limit", "kw": "2.5", "from_time": "17:00", "to_time": "21:00", "until": ""}
PAUSE = {"action": "pause", "load": "flat-01-heat", "hours": "3", "until": ""}


def own_limits() -> list[tuple[float, str, str | None]]:
    found = limits_told("alice-hub", town.NOW)
    assert found is not None
    return [
        (one.limit_w, one.node, one.from_time)
        for one in found.limits
        if one.source == LimitSource.CUSTOMER
    ]


def told() -> dict[str, tuple[bool, float | None]]:
    found = consents_told("alice-hub", town.NOW)
    assert found is not None
    return {one.load: (one.released, one.paused_until) for one in found.loads}


def confirm(client: Client, form: dict[str, str], path: str = FLAT) -> Any:
    """Give the form, read what is asked back, and say yes."""
    asked = client.post(path, form)
    assert asked.status_code == 200, asked.content.decode()
    given = dict(asked.context["given"])
    assert given == form
    return client.post(path, {**given, "confirmed": "yes"}, follow=True)


class TestOwnLimit:
    def test_it_is_asked_back_and_then_set(self, resident: Client) -> None:
        asked = resident.post(FLAT, LIMIT).content.decode()
        assert "Set this limit?" in asked
        assert "Flat 1 shall draw at most 2.50 kW, from 17:00 to 21:00, until you take it" in asked
        assert "To keep it, load control may hold back: Water heater, Laundry." in asked
        assert own_limits() == []
        page = confirm(resident, LIMIT).content.decode()
        assert "Your limit is set." in page
        assert "at most 2.50 kW, from 17:00 to 21:00" in page
        assert "set by alice-resident, 12 January, 18:00" in page
        assert own_limits() == [(2500.0, "alice-flat-01", "17:00")]

    def test_with_a_decimal_comma_and_an_end(self, resident: Client) -> None:
        confirm(resident, {**LIMIT, "kw": "3,25", "until": "2026-01-13T08:00"})
        assert own_limits()[0][0] == 3250.0
        found = limits_told("alice-hub", datetime(2026, 1, 13, 7, 0, tzinfo=UTC))
        assert found is not None
        assert [one.source for one in found.limits] == [LimitSource.OPERATOR]

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"kw": ""}, "Give the power in kilowatts"),
            ({"kw": "abc"}, "“abc” is no power"),
            ({"kw": "1,234.5"}, "“1,234.5” is no power"),
            ({"kw": "0"}, "0 kW: give from 0.1 to 10000 kW."),
            ({"kw": "-2"}, "-2 kW: give from"),
            ({"kw": "20000"}, "20000 kW: give from"),
            ({"kw": "nan"}, "“nan” is no power"),
            ({"to_time": ""}, "Give both hours"),
            ({"to_time": "17:00"}, "17:00 is also the beginning"),
            ({"from_time": "soon"}, "Give an hour such as 17:00."),
            ({"until": "tomorrow"}, "“tomorrow” is no time"),
            ({"until": "2026-01-12T17:59"}, "12 January, 17:59 is over: it is 12 January, 18:00"),
            ({"until": "2028-01-12T17:59"}, "is too far away: give a time until"),
        ],
    )
    def test_what_makes_no_sense_is_said_at_its_field(
        self, resident: Client, change: dict[str, str], words: str
    ) -> None:
        answer = resident.post(FLAT, {**LIMIT, **change, "confirmed": "yes"})
        assert answer.status_code == 422
        page = answer.content.decode()
        assert words in page
        assert 'aria-invalid="true"' in page
        assert own_limits() == []

    def test_five_are_enough(self, resident: Client) -> None:
        for _n in range(5):
            confirm(resident, LIMIT)
        answer = resident.post(FLAT, {**LIMIT, "confirmed": "yes"})
        assert answer.status_code == 422
        assert "There are five own limits already" in answer.content.decode()
        assert len(own_limits()) == 5

    def test_taken_back_it_stays_in_the_history(self, resident: Client, site_time: Any) -> None:
        confirm(resident, LIMIT)
        (limit,) = resident.get(FLAT).context["limits"]
        site_time.set((town.NOW + timedelta(hours=1)).timestamp())
        page = resident.post(FLAT, {"action": "end", "limit": limit["id"]}, follow=True)
        assert page.context["limits"] == []
        assert [(one["what"], one["author"]) for one in page.context["past"]] == [
            ("own limit of 2.50 kW taken back", "alice-resident"),
            (
                "own limit: at most 2.50 kW, from 17:00 to 21:00, until 12 January, 19:00",
                "alice-resident",
            ),
        ]

    @pytest.mark.parametrize("limit", ["", "x", "0", "999999999999999999999"])
    def test_taking_back_what_is_not_there_changes_nothing(
        self, resident: Client, limit: str
    ) -> None:
        confirm(resident, LIMIT)
        page = resident.post(FLAT, {"action": "end", "limit": limit}, follow=True).content.decode()
        assert "That limit held no more." in page
        assert len(own_limits()) == 1

    def test_it_says_when_the_gateway_cannot_keep_it(self, resident: Client) -> None:
        confirm(resident, LIMIT)
        note = "The gateway does not measure this place by itself"
        assert note in resident.get(FLAT).content.decode()
        save_statuses([("alice-hub", control_town.status(town.NOW))], datetime.now(UTC))
        assert note not in resident.get(FLAT).content.decode()


class TestPause:
    def test_one_load_for_some_hours(self, resident: Client) -> None:
        asked = resident.post(FLAT, PAUSE).content.decode()
        assert "Until 12 January, 21:00 load control leaves alone: Water heater." in asked
        assert told() == {}
        page = confirm(resident, PAUSE).content.decode()
        assert "The pause is set." in page
        until = (town.NOW + timedelta(hours=3)).timestamp()
        assert told() == {"flat-01-heat": (True, until)}

    def test_all_loads_until_a_time_of_ones_own(self, resident: Client) -> None:
        confirm(resident, {**PAUSE, "load": "all", "hours": "custom", "until": "2026-01-14T09:30"})
        until = datetime(2026, 1, 14, 8, 30, tzinfo=UTC).timestamp()
        assert told() == {"flat-01-heat": (True, until), "flat-01-wash": (True, until)}

    def test_it_can_be_ended(self, resident: Client) -> None:
        confirm(resident, PAUSE)
        form = {"action": "resume", "load": "flat-01-heat"}
        assert "The pause is over." in resident.post(FLAT, form, follow=True).content.decode()
        assert told() == {}

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"load": "flat-02-heat"}, "not one of the available"),
            ({"load": "stairs"}, "not one of the available"),
            ({"hours": "9999"}, "not one of the available"),
            ({"hours": "custom"}, "Give the time until which"),
            ({"hours": "custom", "until": "x"}, "“x” is no time"),
            ({"hours": "custom", "until": "2026-01-01T00:00"}, "is over"),
            ({"hours": "custom", "until": "2026-06-01T00:00"}, "is too far away"),
        ],
    )
    def test_what_makes_no_sense_is_said_at_its_field(
        self, resident: Client, change: dict[str, str], words: str
    ) -> None:
        answer = resident.post(FLAT, {**PAUSE, **change, "confirmed": "yes"})
        assert answer.status_code == 422
        assert words in answer.content.decode()
        assert told() == {}


class TestConsent:
    def test_taken_back_and_given_again(self, resident: Client) -> None:
        form = {"action": "withdraw", "load": "flat-01-heat"}
        asked = resident.post(FLAT, form).content.decode()
        assert "Load control never switches Water heater again" in asked
        assert told() == {}
        assert "Your consent is taken back." in confirm(resident, form).content.decode()
        assert told() == {"flat-01-heat": (False, None)}
        again = {"action": "release", "load": "flat-01-heat"}
        assert "The load is released." in confirm(resident, again).content.decode()
        assert told() == {}
        past = [one["what"] for one in resident.get(FLAT).context["past"]]
        assert past == ["Water heater: released to load control", "Water heater: not released"]

    def test_what_one_gives_up_is_told_by_class(self, resident: Client) -> None:
        page = resident.get(FLAT).content.decode()
        assert "May be off for at most 15 min at a time" in page
        assert "at least 5 min" in page
        assert "May wait for hours, mostly for the night tariff." in page

    @pytest.mark.parametrize(
        ("of_load", "word"),
        [
            ({}, "on its way to the gateway"),
            ({"released": False}, "in force"),
        ],
    )
    def test_it_is_in_force_when_the_gateway_says_so(
        self, resident: Client, of_load: dict[str, Any], word: str
    ) -> None:
        confirm(resident, {"action": "withdraw", "load": "flat-01-heat"})
        status = control_town.status(town.NOW, loads={"flat-01-heat": of_load})
        save_statuses([("alice-hub", status)], datetime.now(UTC))
        rows = {row["name"]: row for row in resident.get(FLAT).context["consents"]}
        assert rows["flat-01-heat"]["gateway"]["word"] == word
        assert rows["flat-01-wash"]["gateway"]["word"] == "in force"

    def test_what_is_set_at_the_gateway_itself_is_not_called_late(self, resident: Client) -> None:
        status = control_town.status(town.NOW, loads={"flat-01-heat": {"released": False}})
        save_statuses([("alice-hub", status)], datetime.now(UTC))
        (heat, _wash) = resident.get(FLAT).context["consents"]
        assert heat["gateway"]["word"].startswith("held stricter at the gateway itself")

    def test_a_red_load_asks_for_none(self, operator: Client) -> None:
        page = operator.get("/nodes/alice-house/own/")
        row = next(row for row in page.context["consents"] if row["name"] == "stairs")
        assert (row["switchable"], row["meaning"]) == (False, "Never switched, whatever happens.")

    @pytest.mark.parametrize(
        "form",
        [
            {"action": "withdraw", "load": "flat-02-heat"},
            {"action": "release", "load": ""},
            {"action": "explode"},
            {},
        ],
    )
    def test_what_no_button_says_is_refused(self, resident: Client, form: dict[str, str]) -> None:
        assert resident.post(FLAT, {**form, "confirmed": "yes"}).status_code == 400
        assert told() == {}


class TestWhoMay:
    @pytest.mark.parametrize("username", ["alice-operator", "alice-manager"])
    @pytest.mark.parametrize("form", [LIMIT, PAUSE, {"action": "withdraw", "load": "flat-01-heat"}])
    def test_others_look_on_and_decide_nothing(
        self, visit: Callable[[str], Client], username: str, form: dict[str, str]
    ) -> None:
        client = visit(username)
        page = client.get(FLAT)
        assert page.status_code == 200
        assert "Only the owner of the loads decides." in page.content.decode()
        assert page.context["limit_form"] is None
        assert client.post(FLAT, {**form, "confirmed": "yes"}).status_code == 403
        assert (own_limits(), told()) == ([], {})

    @pytest.mark.parametrize("username", ["alice-nobody", "bob-operator", "bob-resident"])
    def test_strangers_find_nothing(self, visit: Callable[[str], Client], username: str) -> None:
        client = visit(username)
        assert client.get(FLAT).status_code == 404
        assert client.post(FLAT, {**LIMIT, "confirmed": "yes"}).status_code == 404
        assert own_limits() == []

    def test_a_neighbour_s_flat_does_not_exist(self, resident: Client) -> None:
        assert resident.get("/nodes/alice-flat-02/own/").status_code == 404
        answer = resident.post("/nodes/alice-house/own/", {**LIMIT, "confirmed": "yes"})
        assert answer.status_code == 404
        assert own_limits() == []

    def test_a_form_without_its_token_is_refused(self, resident: Client) -> None:
        strict = Client(enforce_csrf_checks=True)
        strict.cookies = resident.cookies
        assert strict.post(FLAT, {**LIMIT, "confirmed": "yes"}).status_code == 403
        assert own_limits() == []

    def test_a_node_without_loads_has_no_such_page(self, operator: Client) -> None:
        assert operator.get("/nodes/nothing/own/").status_code == 404

    @pytest.mark.parametrize(
        ("language", "words"),
        [("ru", "Ваш собственный предел"), ("ro", "Limita dumneavoastră proprie")],
    )
    def test_in_the_reader_s_language(self, resident: Client, language: str, words: str) -> None:
        resident.post("/language/", {"language": language})
        page = resident.get(FLAT).content.decode()
        assert words in page
        assert "What it means" not in page
        wrong = resident.post(FLAT, {**LIMIT, "kw": "abc"}).content.decode()
        assert "is no power" not in wrong
