"""Replays of a site with a tree: limits of nodes, of phases, and of energy in a period."""

from zoneinfo import ZoneInfo

import numpy as np
import pytest

from balans.usecases.profile import Profile
from balans.usecases.simulate_site import Replay, simulate_site
from balans.usecases.site_file import parse_site
from balans.usecases.site_report import summarize

SITE = """
[site]
name = "house"
profile = "p.csv"
timezone = "UTC"
[[node]]
name = "riser"
[[node]]
name = "flat"
parent = "riser"
{limit}
[[load]]
name = "heater"
class = "yellow"
rated_w = 2000
node = "flat"
phases = [1]
[[load]]
name = "boiler"
class = "yellow"
rated_w = 2000
node = "flat"
phases = [2]
[[load]]
name = "oven"
class = "red"
rated_w = 2000
phases = [1]
"""
MINUTES = 2 * 1440


def replay(limit: str) -> Replay:
    site = parse_site(SITE.format(limit=limit), "SITE.toml")
    start_s = np.arange(MINUTES, dtype=np.float64) * 60
    rng = np.random.default_rng(1)
    wants = {
        name: (np.repeat(rng.random(MINUTES // 12) < share, 12) * 2000.0).astype(np.float64)
        for name, share in (("heater", 0.35), ("boiler", 0.35), ("oven", 0.3))
    }
    profile = Profile(
        [""] * MINUTES, start_s, start_s % 86_400, 60.0, np.full(MINUTES, 200.0), wants
    )
    assert site.timezone == ZoneInfo("UTC")
    return simulate_site(site, profile, lambda: 0)


def test_a_limit_of_a_node_is_kept_by_its_own_loads() -> None:
    done = replay('[[limit]]\nname = "fuse"\nkw = 2.5\nnode = "flat"')
    over = summarize(done)["nodes"]["flat"]["overload_kwh"]
    assert over["uncontrolled"] > 1.0
    assert over["controlled"] < 0.6 * over["uncontrolled"]
    assert {action.node for _, d in done.decisions for action in d.actions} == {"flat"}


def test_a_limit_of_a_phase_sheds_what_draws_from_it() -> None:
    done = replay('[[limit]]\nname = "line"\nphase_a = 12')
    shed = {a.load for _, d in done.decisions for a in d.actions if a.reason == "over_limit"}
    assert shed == {"heater"}  # the oven on the same phase is red, the boiler on another one


@pytest.mark.parametrize("node", ["", "flat"])
def test_energy_of_a_day_that_is_used_up_allows_no_more(node: str) -> None:
    place = f'\nnode = "{node}"' if node else ""
    done = replay(f'[[limit]]\nname = "day"\nkwh = 6\nperiod = "day"{place}')
    limits = {a.limit for _, d in done.decisions for a in d.actions if a.reason == "over_limit"}
    assert limits == {"day"}
    # The second day begins anew.
    first = [step for step, d in done.decisions if any(not a.on for a in d.actions)]
    assert any(60 < step < 1440 for step in first)
    assert not any(1440 <= step < 1480 for step in first)


def test_a_site_without_a_tree_says_nothing_of_nodes() -> None:
    assert "nodes" not in summarize(replay('[[limit]]\nname = "contract"\nkw = 4'))
