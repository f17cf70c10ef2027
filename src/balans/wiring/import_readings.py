"""Files of readings into the tables: CSV, workbooks and collection files."""

from dataclasses import dataclass, field

from balans.core.errors import InputError
from balans.domain.metering import Quality
from balans.protocols import collection
from balans.protocols.collection import CollectionError
from balans.protocols.readings import Grade
from balans.storage import import_dials, import_store, imports
from balans.storage.import_sources import Reach, sources_of
from balans.storage.imports import ImportKind, ImportState, NewImport
from balans.storage.scope import tenant_scope
from balans.usecases.collected import collected, who_in
from balans.usecases.import_findings import Noticing
from balans.usecases.import_readings import read_readings
from balans.usecases.import_table import Table
from balans.usecases.prepare_readings import Prepared, prepare
from balans.usecases.reading_layout import Layout, Quantity
from balans.wiring.imports import Outcome, Wish, tables_in, unpacked

SHEET = "readings"


@dataclass(frozen=True, slots=True)
class _Read:
    """What a file comes to, and how many readings it has."""

    prepared: Prepared
    rows: int
    options: dict[str, object] = field(default_factory=dict)


def import_readings(data: bytes, file: str, layout: Layout, reach: Reach, wish: Wish) -> Outcome:
    """Bring the readings of a file into the inbox, in one transaction.

    They are in the day rows a moment later, when the inbox is flushed. The file is kept as it
    came, so nothing is lost of what full hours cannot hold.

    Parameters
    ----------
    layout
        What is told about the file beside its content; a collection file needs nothing.
    reach
        Whose points may be named.

    Raises
    ------
    InputError
        If the file is none of the three, or lacks columns.
    """
    content = unpacked(data, file)
    with tenant_scope(reach.tenant_id, wish.author):
        noticing = Noticing()
        read = _read(content, file, layout, reach, noticing, wish)
        return _take(content, file, read, noticing, reach, wish)


def _read(
    content: bytes, file: str, layout: Layout, reach: Reach, noticing: Noticing, wish: Wish
) -> _Read:
    if collection.is_collection(content):
        try:
            found = collection.decode(content)
        except CollectionError as error:
            raise InputError(f"{file}: {error}") from error
        sources = sources_of(who_in(found), Quantity.REGISTER, reach)
        about: dict[str, object] = {"collector": found.header.collector, "made": found.header.made}
        return _Read(collected(found, sources, noticing), len(found.records), about)
    table = _only_table(tables_in(content, file, SHEET, wish.progress), file)
    try:
        raw = read_readings(table, layout, noticing, wish.progress)
        sources = sources_of(raw.who, raw.quantity, reach)
        prepared = prepare(raw, sources, layout, noticing, wish.progress)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error
    return _Read(prepared, raw.rows, layout.as_json())


def _only_table(tables: list[Table], file: str) -> Table:
    named = [table for table in tables if table.name.strip().lower() == SHEET] or tables
    if len(named) != 1:
        names = ", ".join(table.name for table in tables)
        raise InputError(f"{file}: sheets {names}: expected one, or one called {SHEET}")
    return named[0]


def _take(
    content: bytes, file: str, read: _Read, noticing: Noticing, reach: Reach, wish: Wish
) -> Outcome:
    prepared = read.prepared
    compared = import_store.compare(prepared, wish.now, noticing, wish.progress)
    dials = import_dials.new_dials(reach.tenant_id, prepared.dials, wish.author, wish.now, noticing)
    taken = wish.partial or not noticing.errors
    new = int(compared.new.sum())
    grade = compared.hours.grade & 0xFF
    result = {
        "rows": read.rows,
        "used": prepared.used,
        "registers": len(compared.hours),
        Quality.ESTIMATED.value: int((grade == Grade.ESTIMATED).sum()),
        "new": new if taken else 0,
        "same": compared.same,
        "differs": len(compared.hours) - new - compared.same,
        "dials": len(dials) if taken else 0,
        "marks": 0,
        "errors": noticing.errors,
        "warnings": noticing.warnings,
    }
    state = ImportState.APPLIED if taken else ImportState.REFUSED
    if wish.check_only and taken:
        state = ImportState.CHECKED
    if state == ImportState.APPLIED:
        import_dials.accept_dials(dials)
        holes = compared.holes
        result["marks"] = import_store.mark_holes(reach.tenant_id, holes, wish.author, wish.now)
    findings = noticing.findings()
    options = {**read.options, "partial": wish.partial}
    kept = imports.keep(
        NewImport(
            reach.tenant_id, ImportKind.READINGS, file, options, content, wish.author, wish.now
        ),
        state,
        result,
        findings,
    )
    if state == ImportState.APPLIED:
        wish.progress("inbox", 0, new)
        import_store.hand_over(reach.tenant_id, kept, prepared, compared, wish.now)
    return Outcome(kept, state, result, findings)
