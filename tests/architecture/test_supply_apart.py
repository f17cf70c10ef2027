"""Load control has no door to whole supplies, and they have none to it."""

import ast
from pathlib import Path

import pytest

from balans.protocols import module
from balans.protocols.module import SupplyQuery, SupplyState, SupplySwitch
from balans.simulator.supply import SupplyBank

SRC = Path(__file__).resolve().parents[2] / "src" / "balans"
LOAD_CONTROL = sorted(
    [
        *(SRC / "domain" / "demand").rglob("*.py"),
        *(SRC / "domain" / "response").rglob("*.py"),
        *(
            path
            for path in (SRC / "usecases" / "run_load_control").rglob("*.py")
            if path.name != "called_gate.py"  # it opens envelopes of all kinds, and gives no orders
        ),
        SRC / "gateway" / "site_control.py",
        SRC / "gateway" / "scribe.py",
        SRC / "gateway" / "foresight.py",
        SRC / "gateway" / "carried.py",
        *(SRC / "gateway" / "page").rglob("*.py"),
        SRC / "storage" / "commands.py",
        SRC / "headend" / "outbox.py",
    ]
)


def names_in(path: Path) -> set[str]:
    """Return all names, attributes, imported names and modules of a file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                found.add(name)
            case ast.ImportFrom(module=source, names=names):
                found |= {source or "", *(one.name for one in names)}
            case ast.Import(names=names):
                found |= {one.name for one in names}
            case _:
                pass
    return found


@pytest.mark.parametrize("path", LOAD_CONTROL, ids=[str(p.relative_to(SRC)) for p in LOAD_CONTROL])
def test_load_control_knows_no_order_to_a_supply(path: Path) -> None:
    assert [name for name in names_in(path) if "supply" in name.lower()] == []


def test_the_search_finds_what_it_looks_for() -> None:
    assert "SupplyOrders" in names_in(SRC / "gateway" / "supply.py")


def test_what_switches_loads_reaches_no_supply() -> None:
    """Topics and messages are apart: a switch of a load named like a module is none to a supply."""
    topics = module.Topics("house")
    own = {topics.supply("hub"), topics.supplied("hub")}
    assert own.isdisjoint({topics.switch("hub"), topics.state("hub"), topics.query})
    assert SupplyBank([], [], 0.0).states(0.0) == []
    switch = module.Switch(
        "a", "7", on=False, issued=1, expires=2, max_off_s=0, author="", reason=""
    )
    assert not isinstance(
        module.decode(module.encode(switch)), SupplySwitch | SupplyQuery | SupplyState
    )
