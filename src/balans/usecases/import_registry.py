"""Registry files -> `RegistryPlan`, with the line of everything that is wrong.

A cell that is left empty stands for the default; a column that is left out, for what the thing
has already. So a file with two columns changes these two.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from zoneinfo import ZoneInfo

from balans.core.errors import Finding
from balans.usecases.check_registry import Known, check_plan
from balans.usecases.import_table import LineFinding, Table, shown
from balans.usecases.registry_plan import BEGINNING, RegistryPlan, TenantPlan
from balans.usecases.registry_sheets import BY_NAME, SHEETS, Column, Sheet
from balans.usecases.registry_zones import NodeZones

Item = Any
"""One plan of any kind, such as a `PointPlan`."""


@dataclass(slots=True)
class ReadRegistry:
    """What stands in a registry file: plans by sheet, each with its line, and what was noticed."""

    items: dict[str, list[tuple[Item, int]]]
    findings: list[LineFinding] = field(default_factory=list)

    @property
    def tenant(self) -> TenantPlan | None:
        """The utility that the file names, if it does."""
        found = self.items["tenant"]
        return found[0][0] if found else None

    @property
    def count(self) -> int:
        """Rows that could be read."""
        return sum(map(len, self.items.values()))

    def plan(self, tenant: TenantPlan) -> RegistryPlan:
        """Return the plan of `tenant` with these items."""
        named = {
            name: tuple(item for item, _ in rows)
            for name, rows in self.items.items()
            if name != "tenant"
        }
        return RegistryPlan(tenant=tenant, **named)

    def located(self, findings: Sequence[Finding]) -> list[LineFinding]:
        """Return findings about items with their sheets and lines."""
        places = {
            id(item): (name, line) for name, rows in self.items.items() for item, line in rows
        }
        found = []
        for one in findings:
            sheet, line = places.get(id(one.item), ("", 0))
            where = one.where if one.item is None else _label(sheet, one.item, one.where)
            code = one.what.partition(":")[0].partition(",")[0].replace(" ", "_")[:24]
            found.append(LineFinding(line, code, where, one.what, one.severity, sheet))
        return found

    def drop(self, findings: Sequence[Finding]) -> int:
        """Forget the items that findings are about; return how many there were."""
        before = self.count
        gone = {id(finding.item) for finding in findings if finding.item is not None}
        for name, rows in self.items.items():
            self.items[name] = [row for row in rows if id(row[0]) not in gone]
        return before - self.count


def read_registry(
    tables: Sequence[Table],
    there: RegistryPlan | None = None,
    timezone: ZoneInfo | None = None,
) -> ReadRegistry:
    """Return what stands in the tables of a registry file.

    Parameters
    ----------
    tables
        The sheets, by name; one of an unknown name leaves a finding.
    there
        What the tenant has, for columns that are left out and for time zones.
    timezone
        Zone of times without an offset at nodes that have none.
    """
    found = ReadRegistry({sheet.name: [] for sheet in SHEETS})
    zones = NodeZones(there, timezone)
    by_name: dict[str, list[Table]] = {name: [] for name in BY_NAME}
    for table in tables:
        name = table.name.strip().lower()
        if name in BY_NAME:
            by_name[name].append(table)
        else:
            what = f"unknown sheet {shown(table.name)}: expected one of {', '.join(BY_NAME)}"
            found.findings.append(LineFinding(0, "sheet", "", what, sheet=table.name))
    for name, sheet in BY_NAME.items():  # in their order: nodes tell the zone of what follows
        for table in by_name[name]:
            _read_sheet(sheet, table, _by_key(sheet, there), zones, found)
    return found


def drop_faulty(read: ReadRegistry, tenant: TenantPlan, known: Known) -> list[LineFinding]:
    """Take out of `read` what cannot be applied, and what refers to it; return why.

    Findings that are about no item stay with `read`: they concern the file as a whole.
    """
    findings = list(read.findings)
    read.findings.clear()
    while True:
        found = check_plan(read.plan(tenant), known)
        wrong = [finding for finding in found if finding.severity == "error"]
        located = read.located(wrong)
        if not read.drop(wrong):
            read.findings += located + read.located([f for f in found if f.severity != "error"])
            return findings
        findings += located


def _label(sheet: str, item: Item, where: str) -> str:
    """Return what an item is called by people: where the database says ids, its key."""
    key = BY_NAME[sheet].key if sheet in BY_NAME else ()
    if sheet != "mountings":
        return where
    meter, point = (getattr(item, name) for name in key[:2])
    return f"mounting of meter {meter} at {point}"


def _by_key(sheet: Sheet, there: RegistryPlan | None) -> dict[tuple[Any, ...], Item]:
    items = getattr(there, sheet.name, ()) if sheet.name != "tenant" and there else ()
    return {tuple(getattr(item, name) for name in sheet.key): item for item in items}


def _read_sheet(
    sheet: Sheet,
    table: Table,
    there: Mapping[tuple[Any, ...], Item],
    zones: NodeZones,
    found: ReadRegistry,
) -> None:
    columns = _columns_of(sheet, table, found)
    if columns is None:
        return
    for line, row in zip(table.lines, table.rows(), strict=True):
        values, wrong = _values(sheet, columns, row)
        values = zones.localize(values)
        old = there.get(tuple(values.get(name, BEGINNING) for name in sheet.key))
        wrong += [
            f"{name}: is empty: expected {kind.expected}"
            for name, kind in _absent(sheet, columns, values, old)
        ]
        if wrong:
            label = sheet.name.removesuffix("s").replace("_", " ")
            item = f"{label} {values.get(sheet.key[0], '')}".strip()
            found.findings += [
                LineFinding(line, what.partition(":")[0], item, what, sheet=sheet.name)
                for what in wrong
            ]
            continue
        item = sheet.plan(**values) if old is None else replace(old, **values)
        zones.add(item)
        found.items[sheet.name].append((item, line))


def _columns_of(sheet: Sheet, table: Table, found: ReadRegistry) -> list[Column] | None:
    """Return the columns that the table has, None if it cannot be read at all."""
    by_name = {column.name: column for column in sheet.columns}
    names = [name.strip().lower() for name in table.columns]
    wrong = [
        f"unknown column {shown(name)}: expected {', '.join(by_name)}"
        for name in names
        if name not in by_name
    ] + [
        f"column {name} is missing"
        for name in sheet.key
        if name not in names and name in sheet.required
    ]
    line = (table.lines[0] if table.lines else 2) - 1
    found.findings += [LineFinding(line, "column", "", what, sheet=sheet.name) for what in wrong]
    return None if wrong else [by_name[name] for name in names]


def _values(
    sheet: Sheet, columns: Sequence[Column], row: Mapping[str, str]
) -> tuple[dict[str, Any], list[str]]:
    """Return the fields of one row, and what is wrong with its cells."""
    values: dict[str, Any] = {}
    wrong = []
    filled: set[str] = set()
    for column, cell in zip(columns, row.values(), strict=True):
        text = cell.strip()
        target = column.target
        if not text:
            if target not in sheet.required:
                values.setdefault(target, sheet.default(target))
            continue
        if target in filled:
            wrong.append(f"{column.name}: fill in {sheet.names_of(target)}, not both")
        filled.add(target)
        try:
            values[target] = column.kind.parse(text)
        except (ValueError, ArithmeticError):
            values[target] = None
            wrong.append(f"{column.name}: {shown(text)}: expected {column.kind.expected}")
    return values, wrong


def _absent(
    sheet: Sheet, columns: Sequence[Column], values: Mapping[str, Any], old: Item | None
) -> list[tuple[str, Any]]:
    """Return the required fields that have no value: empty here, or of a new thing left out."""
    here = {column.target for column in columns}
    kinds = {column.target: column.kind for column in reversed(sheet.columns)}
    return [
        (sheet.names_of(name), kinds[name])
        for name in sheet.required
        if name not in values and (old is None or name in here)
    ]
