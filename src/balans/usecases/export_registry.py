"""A registry as the rows of sheets: what `import_registry` reads back."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from balans.usecases.registry_plan import BEGINNING, RegistryPlan
from balans.usecases.registry_sheets import SHEETS, Column, Sheet
from balans.usecases.registry_zones import NodeZones


@dataclass(frozen=True, slots=True)
class WrittenSheet:
    """A sheet as it stands in a file: names of columns, and rows of text."""

    name: str
    header: tuple[str, ...]
    rows: list[list[str]]


def registry_sheets(plan: RegistryPlan) -> list[WrittenSheet]:
    """Return all sheets of a registry, the empty ones too: they show what can be filled in.

    Times are local to their node, with the offset.
    """
    zones = NodeZones(plan, None)
    points = {point.code: point.node for point in plan.points}
    return [
        WrittenSheet(
            sheet.name,
            tuple(column.name for column in sheet.columns),
            [list(_cells(sheet, item, zones, points)) for item in _items(sheet, plan)],
        )
        for sheet in SHEETS
    ]


def csv_text(sheets: Iterable[WrittenSheet]) -> str:
    """Return sheets as one CSV file, each under a line with its name in brackets."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for number, sheet in enumerate(sheets):
        if number:
            out.write("\n")
        out.write(f"[{sheet.name}]\n")
        writer.writerow(sheet.header)
        writer.writerows(sheet.rows)
    return out.getvalue()


def _items(sheet: Sheet, plan: RegistryPlan) -> Sequence[Any]:
    return (plan.tenant,) if sheet.name == "tenant" else getattr(plan, sheet.name)


def _cells(sheet: Sheet, item: Any, zones: NodeZones, points: dict[str, str]) -> Iterator[str]:
    node = (
        getattr(item, "node", None)
        or getattr(item, "site", None)
        or points.get(getattr(item, "point", ""))
    )
    zone = zones.of(node) or UTC
    for column in sheet.columns:
        value = _value(column, item)
        if isinstance(value, datetime):
            value = value.astimezone(zone)
        yield "" if value is None else column.kind.show(value)


def _value(column: Column, item: Any) -> Any:
    """Return what is written; None where an empty cell says the same."""
    value = getattr(item, column.target)
    if value in ("", BEGINNING):
        return None
    return column.get(value) if column.get else value
