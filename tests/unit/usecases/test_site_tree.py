"""The tree of a site in its file: where limits and loads hang, and what each mistake is told."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.domain.demand.model import Node
from balans.usecases.site_file import SiteFileError, parse_site

HEAD = '[site]\nname = "house"\nprofile = "profile.csv"\ntimezone = "Europe/Paris"\n'
TREE = (
    HEAD
    + """
[[node]]
name = "flat-1"
parent = "riser"

[[node]]
name = "riser"

[[limit]]
name = "fuse"
kw = 20

[[limit]]
name = "riser-fuse"
node = "riser"
phase_a = 25

[[limit]]
name = "flat-contract"
node = "flat-1"
kw = 4
phase_a = 20.5

[[load]]
name = "heater"
class = "yellow"
node = "flat-1"
phases = [1]

[[load]]
name = "ev"
class = "green"
phases = [3, 1, 2]
released = false
"""
)


def test_a_tree_with_limits_and_loads() -> None:
    site = parse_site(TREE, "SITE.toml")
    assert site.nodes == (Node("riser"), Node("flat-1", "riser"))
    fuse, riser, flat = site.limits
    assert (fuse.node, fuse.limit_w, fuse.phase_a) == ("", 20_000.0, None)
    assert (riser.node, riser.limit_w, riser.phase_a) == ("riser", float("inf"), 25.0)
    assert (flat.node, flat.limit_w, flat.phase_a) == ("flat-1", 4000.0, 20.5)
    heater, ev = site.loads
    assert (heater.node, heater.phases, heater.released) == ("flat-1", (1,), True)
    assert (ev.node, ev.phases, ev.released) == ("", (1, 2, 3), False)


def test_limits_of_energy_and_of_the_month_s_peak() -> None:
    text = HEAD + (
        '[[limit]]\nname = "norm"\nkwh = 90\nperiod = "month"\n'
        '[[limit]]\nname = "peak"\nkw = 3\ninterval_s = 900\nfollows_peak = true\n'
    )
    norm, peak = parse_site(text, "SITE.toml").limits
    assert (norm.limit_w, norm.energy_wh, norm.period) == (float("inf"), 90_000.0, "month")
    assert (peak.limit_w, peak.follows_peak, peak.energy_wh) == (3000.0, True, None)
    with pytest.raises(SiteFileError, match=r"limit\[0\].period = 'week': expected one of day"):
        parse_site(text.replace('"month"', '"week"'), "SITE.toml")
    with pytest.raises(SiteFileError, match=r"limit\[0\].kwh = -1: expected a number from 0"):
        parse_site(text.replace("90", "-1", 1), "SITE.toml")


def test_without_nodes_everything_hangs_at_the_site() -> None:
    site = parse_site(HEAD + '[[load]]\nname = "a"\nclass = "green"\n', "SITE.toml")
    assert site.nodes == ()
    assert (site.loads[0].node, site.loads[0].phases) == ("", ())


MISTAKES = [
    ('name = "riser"', 'name = "flat-1"', "node[1].name = 'flat-1': expected a name that no other"),
    ('name = "riser"', 'name = "ri/ser"', "node[1].name = 'ri/ser': expected 1 to 64"),
    ('parent = "riser"', 'parent = "rise"', "node[0].parent = 'rise': expected a node of this fi"),
    ('parent = "riser"', 'parent = "flat-1"', "node[0].parent = 'flat-1': expected a node that do"),
    ('parent = "riser"', "parent = 1", "node[0].parent = 1: expected a name"),
    ('parent = "riser"', 'paren = "riser"', "node[0].paren is not known here; did you mean parent"),
    ('node = "riser"', 'node = "cellar"', "limit[1].node = 'cellar': expected a node of this file"),
    ("phase_a = 25", "phase_a = -1", "limit[1].phase_a = -1: expected a number from 0"),
    ("phase_a = 25", "", "limit[1].kw is missing"),
    ('class = "yellow"\nnode = "flat-1"', 'class = "yellow"\nnode = ""', "load[0].node = ''"),
    ("phases = [1]", "phases = [0]", "load[0].phases = [0]: expected some of the phases 1, 2, 3"),
    ("phases = [1]", "phases = [1, 1]", "load[0].phases = [1, 1]: expected some of the phases"),
    ("phases = [1]", "phases = []", "load[0].phases = []: expected some of the phases"),
    ("phases = [1]", "phases = [true]", "load[0].phases = [True]: expected some of the phases"),
    ("phases = [1]", "phases = 1", "load[0].phases = 1: expected some of the phases"),
    ("released = false", "released = 0", "load[1].released = 0: expected true or false"),
]


@pytest.mark.parametrize(("old", "new", "told"), MISTAKES, ids=[m[2] for m in MISTAKES])
def test_mistakes_are_named(old: str, new: str, told: str) -> None:
    assert old in TREE
    with pytest.raises(SiteFileError) as caught:
        parse_site(TREE.replace(old, new, 1), "SITE.toml")
    assert str(caught.value).startswith("SITE.toml: ")
    assert told in str(caught.value)


def test_a_node_without_any_is_told_how_to_add_one() -> None:
    with pytest.raises(SiteFileError, match=r"load\[0\].node = 'a': .*add \[\[node\]\]"):
        parse_site(HEAD + '[[load]]\nname = "a"\nclass = "green"\nnode = "a"\n', "SITE.toml")


@given(st.lists(st.integers(0, 11), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_a_tree_comes_with_parents_first_and_a_ring_is_refused(
    parents: list[int], shuffle: random.Random
) -> None:
    """Node i hangs below node parents[i], or below the site where there is no such node."""
    rows = [(f"n{i}", f"n{p}" if p < len(parents) else "") for i, p in enumerate(parents)]
    shuffle.shuffle(rows)
    text = HEAD + "".join(
        f'[[node]]\nname = "{name}"\n' + (f'parent = "{parent}"\n' if parent else "")
        for name, parent in rows
    )
    above = dict(rows)
    try:
        nodes = parse_site(text, "SITE.toml").nodes
    except SiteFileError as error:
        assert "below" in str(error)  # noqa: PT017  (either outcome is right)
        assert any(_is_in_a_ring(name, above) for name in above)
        return
    assert {node.name: node.parent for node in nodes} == above
    seen = {""}
    for node in nodes:
        assert node.parent in seen
        seen.add(node.name)


def _is_in_a_ring(name: str, above: dict[str, str]) -> bool:
    at = above[name]
    for _ in above:
        if at == name:
            return True
        at = above.get(at, "")
    return False
