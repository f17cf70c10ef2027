"""Times without an offset in a registry file are local to the node they belong to."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from balans.usecases.registry_plan import NodePlan, PointPlan, RegistryPlan

LEVELS_MAX = 100
"""A node deeper than this lies below itself, which the check of the plan tells."""


class NodeZones:
    """The time zone of each node: its own, or that of the nearest node above that has one.

    Parameters
    ----------
    there
        Nodes and points that are there already; those added later come before them.
    otherwise
        The zone where no node tells one.
    """

    def __init__(self, there: RegistryPlan | None, otherwise: ZoneInfo | None) -> None:
        self._nodes = {node.code: node for node in there.nodes} if there else {}
        self._points = {point.code: point.node for point in there.points} if there else {}
        self._otherwise = otherwise

    def add(self, item: Any) -> None:
        """Take note of a node or a point of the file."""
        if isinstance(item, NodePlan):
            self._nodes[item.code] = item
        if isinstance(item, PointPlan):
            self._points[item.code] = item.node

    def of(self, code: str | None) -> ZoneInfo | None:
        """Return the zone of a node, None if none is known."""
        for _ in range(LEVELS_MAX):
            node = self._nodes.get(code) if code else None
            if node is None:
                break
            if node.timezone:
                return _zone(node.timezone)
            code = node.parent
        return self._otherwise

    def localize(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of an item with times that have an offset, where a zone is known."""
        naive = {
            name: value
            for name, value in values.items()
            if isinstance(value, datetime) and value.tzinfo is None
        }
        if not naive:
            return dict(values)
        node = values.get("node") or values.get("site") or self._points.get(values.get("point", ""))
        zone = self.of(node)
        return {**values, **{name: value.replace(tzinfo=zone) for name, value in naive.items()}}


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (LookupError, OSError, ValueError):
        return None
