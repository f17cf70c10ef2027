"""The tree of a site in its file: ``[[node]]`` tables, and where loads and limits hang.

::

    [[node]]
    name = "riser"

    [[node]]
    name = "flat-1"
    parent = "riser"          # absent: the site itself
"""

from collections.abc import Collection, Iterable, Sequence

from balans.domain.demand.model import Node
from balans.usecases.toml_table import TomlTable

PHASES = (1, 2, 3)
PHASE_A_MAX = 1e5


def nodes_of(rows: Sequence[TomlTable]) -> tuple[Node, ...]:
    """Return the nodes in `rows`, parents before their children; their order is kept otherwise.

    Raises
    ------
    SiteFileError
        For a name that is used twice, a parent that is not there, or a node below itself.
    """
    found: dict[str, tuple[Node, TomlTable]] = {}
    for row in rows:
        node = Node(row.name(), row.name("parent") if row.has("parent") else "")
        if node.name in found:
            raise row.fail("name", "a name that no other node has")
        found[node.name] = node, row
        row.finish()
    for node, row in found.values():
        if node.parent and node.parent not in found:
            raise row.fail("parent", f"a node of this file, {_listed(found)}")
    return _parents_first(found)


def node_field(row: TomlTable, nodes: Collection[str]) -> str:
    """Return the field ``node`` of a load or a limit: a node of the file, "" where it is absent."""
    if not row.has("node"):
        return ""
    name = row.name("node")
    if name not in nodes:
        raise row.fail("node", f"a node of this file, {_listed(nodes)}")
    return name


def phases_field(row: TomlTable) -> tuple[int, ...]:
    """Return the field ``phases`` of a load, such as ``[1]`` or ``[1, 2, 3]``; () if absent."""
    if not row.has("phases"):
        return ()
    value = row.values["phases"]
    usable = isinstance(value, list) and value and all(type(phase) is int for phase in value)
    if not usable or not set(value) <= set(PHASES) or len(set(value)) < len(value):
        raise row.fail("phases", "some of the phases 1, 2, 3, such as [1] or [1, 2, 3]")
    return tuple(sorted(value))


def phase_a_field(row: TomlTable) -> float | None:
    """Return the field ``phase_a`` of a limit, the current each phase may carry [A]."""
    return row.number("phase_a", low=0, high=PHASE_A_MAX) if row.has("phase_a") else None


def _parents_first(found: dict[str, tuple[Node, TomlTable]]) -> tuple[Node, ...]:
    placed: dict[str, Node] = {}
    left = dict(found)
    while left:
        ready = [name for name, (node, _) in left.items() if node.parent in {"", *placed}]
        if not ready:
            name, (_, row) = next(iter(left.items()))
            raise row.fail("parent", f"a node that does not hang below {name!r} itself")
        for name in ready:
            placed[name] = left.pop(name)[0]
    return tuple(placed.values())


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "of which there are none: add [[node]] tables"
