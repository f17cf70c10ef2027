"""A call is obeyed at once by all the loads that it needs, whatever the caps on switchings say."""

import pytest
from tests.unit.usecases.called_house import (
    GROUP,
    START,
    Contact,
    House,
    Server,
    call,
    step,
)

from balans.core.words import LoadClass
from balans.domain.demand.model import Limit, Load
from balans.usecases.run_load_control import called_pass

MANY = tuple(Load(f"load-{n:02d}", LoadClass.YELLOW, 2000.0, max_off_s=900.0) for n in range(20))


def off(house: House) -> int:
    return sum(not one.on for one in contacts(house))


def contacts(house: House) -> list[Contact]:
    return list(house.contacts.values())


@pytest.fixture
def house() -> House:
    """A house of twenty loads that all run, with a server that it knows."""
    server, found = Server(), House(loads=MANY, limits=(Limit("contract", 60_000.0),))
    found.hear(server.groups(GROUP))
    found.run(-10, server)
    assert off(found) == 0
    return found


def test_all_that_a_call_needs_are_switched_in_one_pass(house: House) -> None:
    assert house.hear(Server().call(call(step(-60, 3600, value=0.0)))) == ""
    assert off(house) == 20


def test_no_more_than_it_needs(house: House) -> None:
    house.hear(Server().call(call(step(-60, 3600, value=20_600.0))))
    assert off(house) == 10


def test_what_was_called_for_does_not_use_up_the_caps(house: House) -> None:
    house.hear(Server().call(call(step(-60, 3600, value=20_600.0))))
    guard = house.control.memory.guard
    assert guard.budget(house.now_s) == guard.caps.per_pass == 5


def test_under_the_caps_a_call_would_take_a_minute(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why the pass in which a call begins is not capped; decision 61 tells this figure."""
    server, caps = Server(), house.control.memory.guard.caps
    monkeypatch.setattr(called_pass, "INFINITE", float(caps.per_pass))
    house.hear(server.call(call(step(-60, 3600, value=0.0))))
    assert off(house) == 5
    begin_s = house.true_s
    while off(house) < 20:
        house.run(house.true_s - START + 1, server)
    assert house.true_s - begin_s > 60


def test_they_return_as_slowly_as_always(house: House) -> None:
    server = Server()
    house.hear(server.call(call(step(-60, 60, value=0.0))))
    while off(house) == 20:
        house.run(house.true_s - 1_800_000_000.0 + 10, server)
    assert off(house) >= 15
