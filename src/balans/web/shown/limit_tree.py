"""The tree of limits: its shape for the page, and its texts, which the stream keeps up to date.

Keys are ``node.<name>.…``; the site itself has the name "".
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from balans.protocols.hub import NodeStatus, SiteStatus
from balans.usecases.judge_load import level
from balans.web.shown import words
from balans.web.shown.levels import gauge
from balans.web.shown.names import named
from balans.web.shown.numbers import MISSING, decimal, kw, kw_digits

OPEN_MAX: Final = 4
"""A node with more nodes right below it is folded at first, unless one of them is in need."""
PHASES: Final = ("L1", "L2", "L3")
ADDED: Final = re.compile(r"( \((\d{1,4}|server)\))+$")
"""What gateways add to a name that is taken: "contract (2)", "transformer (server)"."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A node of the tree with what lies below it; its texts have keys that begin with `key`.

    `open` tells whether what lies below is unfolded at first.
    """

    key: str
    title: str
    kind: str
    has_phases: bool
    open: bool
    below: tuple["Branch", ...]


@dataclass(frozen=True, slots=True)
class Named:
    """What the registry says of a node: title and kind in words."""

    title: str
    kind: str


def subtree(nodes: Iterable[NodeStatus], root: str) -> list[NodeStatus]:
    """Return the nodes at and below `root`, parents first; all of them for ""."""
    found: list[NodeStatus] = []
    inside: set[str] = set()
    for node in nodes:
        if root in {node.name, ""} or node.parent in inside:
            inside.add(node.name)
            found.append(node)
    return found


def branches(status: SiteStatus, root: str, known: Mapping[str, Named]) -> list[Branch]:
    """Return the tree at `root` for the page; `known` describes nodes by name."""
    nodes = subtree(status.nodes, root)
    names = {node.name for node in nodes}
    below: dict[str | None, list[NodeStatus]] = defaultdict(list)
    for node in nodes:
        is_top = node.name in {root, ""} or node.parent not in names
        below[None if is_top else node.parent].append(node)
    return [_branch(node, below, known) for node in below[None]]


def node_texts(status: SiteStatus, root: str, *, dead: bool) -> dict[str, str]:
    """Return the texts of the nodes at and below `root`; of a `dead` status none is believed."""
    texts: dict[str, str] = {}
    loads = _loads(status)
    by_name = {node.name: node for node in status.nodes}
    for node in subtree(status.nodes, root):
        shown = NodeStatus(node.name, node.parent) if dead else node
        texts.update(
            {f"node.{node.name}.{key}": text for key, text in _texts(shown, by_name).items()}
        )
        texts[f"node.{node.name}.off"] = "" if dead else _off(*loads[node.name])
    return texts


def _branch(
    node: NodeStatus, below: Mapping[str | None, list[NodeStatus]], known: Mapping[str, Named]
) -> Branch:
    there = known.get(node.name, Named(named(node.name), ""))
    children = [child for child in below.get(node.name, []) if child.name != node.name]
    in_need = any(_worst(child)[0] in {"near", "over"} for child in children)
    return Branch(
        key=f"node.{node.name}",
        title=there.title,
        kind=there.kind,
        has_phases=node.phase_limit_a is not None or (not node.name and bool(node.phase_a)),
        open=in_need or len(children) <= OPEN_MAX,
        below=tuple(_branch(child, below, known) for child in children),
    )


def _below(node: NodeStatus, nodes: Iterable[NodeStatus]) -> str:
    """Return how many nodes lie right below, and how many of them are in need."""
    levels = [_worst(child)[0] for child in nodes if child.parent == node.name and child.name]
    count, over, near = len(levels), levels.count("over"), levels.count("near")
    parts = [ngettext("%(count)d place below", "%(count)d places below", count) % {"count": count}]
    if over:
        parts.append(_("over the limit: %(count)d") % {"count": over})
    if near:
        parts.append(_("close to it: %(count)d") % {"count": near})
    return ", ".join(parts)


def _texts(node: NodeStatus, by_name: Mapping[str, NodeStatus]) -> dict[str, str]:
    digits = kw_digits(max(node.power_w or 0, node.allowed_w or 0))
    fill, mark = gauge(node.power_w, node.allowed_w)
    worst, word = _worst(node)
    return {
        "load": kw(node.power_w, digits),
        "of": _of(node.allowed_w, digits),
        "limit_name": limit_title(node.limit),
        "free": _free(node, digits),
        "binding": _binding(node, by_name),
        "below": _below(node, by_name.values()),
        "level": level(node.power_w, node.allowed_w),
        "level_word": word,
        "tone": words.LEVEL_TONES[worst],
        "fill": fill,
        "mark": mark,
        **_phases(node),
    }


def _of(limit_w: float | None, digits: int) -> str:
    if limit_w is None:
        return _("kW")
    return _("of %(limit)s kW") % {"limit": kw(limit_w, digits)}


def _worst(node: NodeStatus) -> tuple[str, str]:
    """Return the gravest of the levels of power and of each phase, and the words for it."""
    at = level(node.power_w, node.allowed_w)
    levels = {phase: level(abs(amps), node.phase_limit_a) for phase, amps in _amps(node)}
    for grave in ("over", "near"):
        if at == grave:
            break
        found = next((phase for phase, one in levels.items() if one == grave), None)
        if found is not None:
            word = words.word(words.LEVELS, grave)
            return grave, f"{found}: {word[:1].lower()}{word[1:]}"
    if at == "unlimited" and "inside" in levels.values():
        at = "inside"
    return at, words.word(words.LEVELS, at)


def _amps(node: NodeStatus) -> list[tuple[str, float]]:
    """Return the phases whose currents are known, with them."""
    pairs = zip(PHASES, node.phase_a, strict=False)
    return [(phase, amps) for phase, amps in pairs if amps is not None]


def _free(node: NodeStatus, digits: int) -> str:
    if node.headroom_w is None:
        return _free_amps(node)
    if node.headroom_w < 0:
        return _("%(power)s kW too much") % {"power": kw(-node.headroom_w, digits)}
    return _("%(power)s kW free") % {"power": kw(node.headroom_w, digits)}


def _free_amps(node: NodeStatus) -> str:
    """Return what is left on the fullest phase, where only currents are limited."""
    known = _amps(node)
    if node.phase_limit_a is None or not known:
        return ""
    phase, amps = max(known, key=lambda pair: abs(pair[1]))
    left_a = node.phase_limit_a - abs(amps)
    if left_a < 0:
        return _("%(phase)s: %(current)s A too much") % {
            "phase": phase,
            "current": decimal(-left_a, 1),
        }
    return _("%(phase)s: %(current)s A free") % {"phase": phase, "current": decimal(left_a, 1)}


def _binding(node: NodeStatus, by_name: Mapping[str, NodeStatus]) -> str:
    """Return what is left when a node above is closer to its limit, else ""."""
    own_w = node.headroom_w
    tightest: NodeStatus | None = None
    above = by_name.get(node.parent) if node.name else None
    for _step in range(len(by_name)):
        if above is None:
            break
        least_w = own_w if tightest is None else tightest.headroom_w
        if above.headroom_w is not None and (least_w is None or above.headroom_w < least_w):
            tightest = above
        above = by_name.get(above.parent) if above.name else None
    if tightest is None or tightest.headroom_w is None:
        return ""
    power = kw(max(tightest.headroom_w, 0.0), kw_digits(tightest.allowed_w))
    return _("above it only %(power)s kW") % {"power": power}


def _phases(node: NodeStatus) -> dict[str, str]:
    texts: dict[str, str] = {}
    for index, phase in enumerate(PHASES):
        amps = node.phase_a[index] if index < len(node.phase_a) else None
        at = level(None if amps is None else abs(amps), node.phase_limit_a)
        fill, mark = gauge(None if amps is None else abs(amps), node.phase_limit_a)
        texts |= {
            phase: _amperes(amps, node.phase_limit_a),
            f"{phase}_level": at,
            f"{phase}_word": words.word(words.LEVELS, at) if at in {"near", "over"} else "",
            f"{phase}_fill": fill,
            f"{phase}_mark": mark,
        }
    return texts


def _amperes(amps: float | None, limit_a: float | None) -> str:
    now = MISSING if amps is None else decimal(amps, 1)
    if limit_a is None:
        return _("%(now)s A") % {"now": now}
    return _("%(now)s of %(limit)s A") % {"now": now, "limit": decimal(limit_a, 0)}


def _loads(status: SiteStatus) -> dict[str, tuple[int, int]]:
    """Return for each node how many loads hang right from it, and how many of them are off."""
    counts: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for load in status.loads:
        there, off = counts[load.node]
        counts[load.node] = there + 1, off + (not load.on)
    return counts


def _off(there: int, off: int) -> str:
    if not off:
        return ""
    text = ngettext("%(off)d of %(count)d load off", "%(off)d of %(count)d loads off", there)
    return text % {"off": off, "count": there}


def limit_title(name: str) -> str:
    """Return the name of a limit for people; usual names and sources get words.

    The place tells limits of one name apart as well as what the gateway added.
    """
    plain = ADDED.sub("", name)
    return words.word(words.LIMIT_SOURCES, named(plain))
