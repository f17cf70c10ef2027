"""The tree of places with limits: transformer, building, riser, flat, circuit.

The site itself is the root, called "". Nodes are numbered so that parents come before children.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from balans.core.errors import InputError
from balans.domain.demand.model import Node

SITE = ""
NOWHERE = -1
Numbers = NDArray[np.intp]


class TreeError(InputError):
    """Nodes that make no tree; the message names the node and the field."""

    code = "tree"


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree of nodes.

    names
        The name of each node; the first is "", the site.
    parents
        The number of each node's parent; -1 for the site.
    paths
        The numbers from each node up to the site, itself first.
    levels
        The numbers of the nodes of each depth, the site's first.
    numbers, parent_of, at_depth
        Numbers by name; parents and levels as arrays.
    above
        By depth and node: the node of that depth it belongs to, `NOWHERE` if none.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    paths: tuple[tuple[int, ...], ...]
    levels: tuple[tuple[int, ...], ...]
    numbers: Mapping[str, int] = field(init=False, compare=False, repr=False)
    parent_of: Numbers = field(init=False, compare=False, repr=False)
    at_depth: tuple[Numbers, ...] = field(init=False, compare=False, repr=False)
    above: tuple[Numbers, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Prepare what passes need: numbers by name, and parents, levels, ancestors as arrays."""

        def keep(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        keep("numbers", {name: number for number, name in enumerate(self.names)})
        keep("parent_of", np.array(self.parents, dtype=np.intp))
        keep("at_depth", tuple(np.array(level, dtype=np.intp) for level in self.levels))
        above = [
            [path[-1 - depth] if len(path) > depth else NOWHERE for path in self.paths]
            for depth in range(len(self.levels))
        ]
        keep("above", tuple(np.array(row, dtype=np.intp) for row in above))

    def __len__(self) -> int:
        return len(self.names)


ONLY_SITE = Tree((SITE,), (-1,), ((0,),), ((0,),))


def make_tree(nodes: Iterable[Node]) -> Tree:
    """Return the tree of `nodes`; the site itself need not be among them.

    Raises
    ------
    TreeError
        If a name is used twice, a parent is missing, or nodes hang from each other in a circle.

    >>> make_tree([Node("flat", "riser"), Node("riser")]).names
    ('', 'riser', 'flat')
    """
    listed = [node for node in nodes if node.name != SITE]
    below: dict[str, list[str]] = {SITE: []}
    for node in listed:
        if node.name in below:
            raise TreeError(f"node {node.name!r}: name: another node has it; expected a new one")
        below[node.name] = []
    for node in listed:
        if node.parent not in below:
            raise TreeError(
                f"node {node.name!r}: parent: {node.parent!r} is no node; expected the name of one"
            )
        below[node.parent].append(node.name)
    tree = _numbered(below)
    if len(tree) <= len(listed):
        lost = next(node.name for node in listed if node.name not in tree.names)
        raise TreeError(f"node {lost!r}: parent: hangs from itself; expected a way to the site")
    return tree


def _numbered(below: dict[str, list[str]]) -> Tree:
    names, parents = [SITE], [-1]
    paths: list[tuple[int, ...]] = [(0,)]
    levels: list[tuple[int, ...]] = [(0,)]
    while True:
        level: list[int] = []
        for number in levels[-1]:
            for name in below[names[number]]:
                level.append(len(names))
                paths.append((len(names), *paths[number]))
                names.append(name)
                parents.append(number)
        if not level:
            return Tree(tuple(names), tuple(parents), tuple(paths), tuple(levels))
        levels.append(tuple(level))


def check_places(tree: Tree, names: Sequence[str], what: str) -> None:
    """Raise `TreeError` if one of `names` is no node; `what` tells whose node it is."""
    known = set(tree.names)
    for name in names:
        if name not in known:
            raise TreeError(f"{what}: node: {name!r} is no node; expected the name of one")
