"""Commands from the page: who gives them, what is refused, and their true state."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from tests.web import town

from balans.core.words import CommandState
from balans.protocols.hub import CommandReport
from balans.storage import commands
from balans.storage.reports import SiteReport, apply_reports
from balans.storage.scope import system_scope

FORM = {"load": "flat-01-heat", "action": "off", "reason": "noise at night", "minutes": "15"}
SITE = "/sites/alice-house/"


def log(client: Client, path: str = SITE) -> str:
    page = client.get(path).content.decode()
    return page[page.index('id="log"') :]


def test_a_command_is_queued_and_says_so(operator: Client) -> None:
    answer = operator.post(SITE, FORM, follow=True)
    page = answer.content.decode()
    assert answer.redirect_chain == [("/sites/alice-house/#log-title", 302)]
    assert page.index("Decisions and commands") < page.index("The command is queued")
    assert page.count("The command is queued") == 1
    shown = log(operator)
    assert "Flat 1 · Water heater: off" in shown
    assert "alice-operator · noise at night" in shown
    assert "queued" in shown
    assert "confirmed" not in shown


def test_each_state_of_a_command_is_shown_when_it_is_true(operator: Client) -> None:
    operator.post(SITE, FORM)
    waiting = commands.queued_commands(town.NOW)
    assert [one.command.load for one in waiting] == ["flat-01-heat"]
    assert waiting[0].command.expires == (town.NOW + timedelta(minutes=15)).timestamp()
    commands.mark_sent(waiting, town.NOW)
    assert ">sent<" in log(operator)
    report(waiting[0], CommandState.CONFIRMED)
    shown = log(operator)
    assert ">confirmed<" in shown
    assert "sent 18:00:00" in shown
    assert "confirmed 18:00:05" in shown


def test_states_stand_in_the_order_they_follow_each_other(operator: Client) -> None:
    """The head-end notes what it sent a moment after the site's clock says it was done."""
    operator.post(SITE, FORM)
    waiting = commands.queued_commands(town.NOW)
    commands.mark_sent(waiting, town.NOW + timedelta(seconds=9))
    report(waiting[0], CommandState.CONFIRMED)
    assert "sent 18:00:09 · confirmed 18:00:05" in log(operator)


@pytest.mark.parametrize(("language", "words"), [("ru", "Укажите"), ("ro", "Spuneți")])
def test_a_refusal_speaks_the_reader_s_language(
    operator: Client, language: str, words: str
) -> None:
    operator.post("/language/", {"language": language})
    page = operator.post(SITE, {**FORM, "reason": ""}).content.decode()
    assert words in page
    assert "Say why" not in page


def test_who_may_only_look_gives_no_command(visit: Callable[[str], Client]) -> None:
    answer = visit("alice-manager").post(SITE, FORM)
    assert answer.status_code == 403
    assert commands.queued_commands(town.NOW) == []


def test_a_refusal_tells_why(operator: Client) -> None:
    operator.post(SITE, FORM)
    waiting = commands.queued_commands(town.NOW)
    report(waiting[0], CommandState.FAILED, "refused: valve stuck")
    shown = log(operator)
    assert ">failed<" in shown
    assert "the actuator refused: valve stuck" in shown


def test_silence_ends_as_expired(operator: Client) -> None:
    operator.post(SITE, FORM)
    commands.expire_due(town.NOW + timedelta(minutes=16))
    shown = log(operator)
    assert ">expired<" in shown
    assert "it was never sent" in shown


def report(queued: commands.QueuedCommand, state: CommandState, detail: str = "") -> None:
    given = queued.command
    with system_scope():
        from balans.storage import lookups

        hub = lookups.hub(queued.hub_code)
        assert hub is not None
        one = CommandReport(
            id=given.id,
            load=given.load,
            on=given.on,
            author=given.author,
            reason=given.reason,
            created=given.created,
            expires=given.expires,
            state=state,
            time=town.NOW.timestamp() + 5,
            detail=detail,
        )
        apply_reports([SiteReport(hub.tenant_id, hub.site_id, one)])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"reason": ""}, "Say why"),
        ({"reason": "   "}, "Say why"),
        ({"reason": "x" * 501}, "at most 500"),
        ({"reason": "a\0b"}, "Null characters"),
        ({"load": "stairs"}, "A red load is never switched."),
        ({"load": "flat-99-heat"}, "There is no such load here"),
        ({"minutes": "100000"}, "not one of the available"),
        ({"action": "explode"}, "not one of the available"),
    ],
)
def test_what_makes_no_sense_is_refused_in_place(
    operator: Client, change: dict[str, str], words: str
) -> None:
    answer = operator.post(SITE, {**FORM, **change})
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert commands.queued_commands(town.NOW) == []


def test_a_resident_switches_own_loads(resident: Client) -> None:
    answer = resident.post("/flats/alice-flat-01/", FORM)
    assert answer["Location"] == "/flats/alice-flat-01/#log-title"
    assert "Water heater: off" in log(resident, "/")


def test_a_resident_switches_no_load_of_a_neighbour(resident: Client) -> None:
    answer = resident.post("/flats/alice-flat-01/", {**FORM, "load": "flat-02-heat"})
    assert answer.status_code == 422
    assert "not yours to switch" in answer.content.decode()
    assert commands.queued_commands(town.NOW) == []
    assert resident.post("/flats/alice-flat-02/", FORM).status_code == 404


def test_a_resident_sees_no_command_of_a_neighbour(operator: Client, resident: Client) -> None:
    operator.post(SITE, {**FORM, "load": "flat-02-heat", "reason": "secret of flat 2"})
    operator.post(SITE, {**FORM, "reason": "for flat 1"})
    shown = log(resident, "/")
    assert "for flat 1" in shown
    assert "secret of flat 2" not in shown
