"""Files of readings -> numbers: whose, when, how much, and how good. No reading is judged here.

Values are kept in thousandths, since dials and energies have decimals: whole numbers stay exact
however they are added up. An empty cell is a reading that is not there, never a zero.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from balans.core.errors import InputError
from balans.domain.metering import Quality
from balans.protocols.readings import Grade
from balans.usecases.cells import decimal_of
from balans.usecases.import_findings import Noticing
from balans.usecases.import_table import Table
from balans.usecases.import_times import NO_TIME, written_times
from balans.usecases.reading_layout import COLUMNS, UNITS, WHO, Layout, Quantity

PARTS = 1000
"""Values are counted in thousandths of a pulse, Wh, varh or l."""
MOST = 2.0**53
"""From here on floating point no longer tells thousandths; no reading is as large."""
GRADES: dict[str, int] = {
    "": Grade.MEASURED,
    Quality.MEASURED: Grade.MEASURED,
    Quality.ESTIMATED: Grade.ESTIMATED,
    Quality.SUSPECT: Grade.SUSPECT,
}
NOT_THERE = frozenset({Quality.MISSING, Quality.UNMETERED})

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Progress = Callable[[str, int, int], None]
"""Is told what is being done, how much of it is, and of how much."""


@dataclass(frozen=True, slots=True)
class Who:
    """Whose reading it is: the kind of name (channel, point or meter) and the name."""

    kind: str
    name: str


@dataclass(slots=True)
class RawReadings:
    """Readings of a file, n of them in its order.

    Parameters
    ----------
    quantity
        What the values are.
    who
        Whose they are, by number.
    units
        Units in which a source was read, as (number of the source, unit).
    source
        Number of whose reading it is.
    written_s, offset_s
        Time as written [s since 1970], and its offset from UTC or `NO_TIME` where none is given.
    value
        In thousandths of pulses, or of Wh, varh and l.
    grade, line
        How the value is known, and the line.
    rows
        Cells with a value in the file, whatever became of them.
    """

    quantity: Quantity
    who: list[Who]
    units: set[tuple[int, str]]
    source: Ints
    written_s: Ints
    offset_s: Ints
    value: Ints
    grade: Ints
    line: Ints
    rows: int


@dataclass(slots=True)
class _Reader:
    """A table on its way to numbers; rows that cannot be read are no longer `good`."""

    layout: Layout
    columns: dict[str, Sequence[str]]
    line: Ints
    noticing: Noticing
    good: Bools = field(init=False)

    def __post_init__(self) -> None:
        self.good = np.ones(len(self.line), np.bool_)

    def refuse(self, wrong: Bools, name: str, expected: str) -> None:
        """Tell of every row whose cell of column `name` is wrong, and let it go."""
        texts = self.columns.get(name, ())
        for index in np.flatnonzero(wrong & self.good).tolist():
            text = texts[index] if texts else ""
            self.noticing.cell(int(self.line[index]), name, text, expected)
        self.good &= ~wrong


def read_readings(
    table: Table, layout: Layout, noticing: Noticing, progress: Progress
) -> RawReadings:
    """Return the readings of a table; what cannot be read goes to `noticing`.

    Raises
    ------
    InputError
        If a column that is needed is not there, or no unit is given.
    """
    quantity, there = _columns(table, layout)
    progress("times", 0, len(table.lines))
    written, offset = written_times(table.columns[there["time"]], layout.time_format)
    if layout.wide:
        names = [name for name in table.columns if name != there["time"]]
        count = len(table.lines)
        row = np.tile(np.arange(count), len(names))
        cells = [text for name in names for text in table.columns[name]]
        columns: dict[str, Sequence[str]] = {quantity: cells}
        who = [Who("point", name) for name in names]
        source = np.repeat(np.arange(len(names), dtype=np.int64), count)
    else:
        row = np.arange(len(table.lines))
        columns = {name: table.columns[own] for name, own in there.items()}
        who, source = _sources(columns, len(row))
    reader = _Reader(layout, columns, np.asarray(table.lines, np.int64)[row], noticing)
    columns.setdefault("time", table.columns[there["time"]])
    if layout.wide:
        _refuse_times(reader, written, row)
    else:
        reader.refuse(written == NO_TIME, "time", _time_words(layout))
    reader.refuse(source < 0, "who", f"one of the columns {', '.join(WHO)} to be filled in")
    progress("values", 0, len(row))
    empty = _without_value(reader, quantity)
    grade = _grades(reader)
    value, units = _values(reader, quantity, source)
    if layout.zero_is_missing and quantity == Quantity.USED:
        _drop_zeros(reader, value, source, who)
    good = reader.good
    return RawReadings(
        quantity,
        who,
        units,
        source[good],
        written[row][good],
        offset[row][good],
        value[good],
        grade[good],
        reader.line[good],
        int(len(row) - empty),
    )


def _columns(table: Table, layout: Layout) -> tuple[Quantity, dict[str, str]]:
    """Return what is told by the file, and its columns by our names."""
    there = {name: layout.column(name) for name in COLUMNS if layout.column(name) in table.columns}
    found = ", ".join(table.columns)[:300]
    if "time" not in there:
        raise InputError(f"no column {layout.column('time')!r}; the file has: {found}")
    if layout.wide:
        return layout.wide, there
    if not any(name in there for name in WHO):
        raise InputError(f"none of the columns {', '.join(WHO)}; the file has: {found}")
    quantities = [quantity for quantity in Quantity if quantity in there]
    if len(quantities) != 1:
        what = ", ".join(quantities) or "none of them"
        raise InputError(f"expected one of the columns {', '.join(Quantity)}: there is {what}")
    return quantities[0], there


def _time_words(layout: Layout) -> str:
    example = layout.time_format or "2026-01-31T18:00+02:00, 2026-01-31 18:00 or 31.01.2026 18:00"
    return f"a time of the years 2000 to 2099 such as {example}"


def _refuse_times(reader: _Reader, written: Ints, row: NDArray[np.intp]) -> None:
    """Tell once of a time that stands for all cells of its row."""
    for index in np.flatnonzero(written == NO_TIME).tolist():
        text = reader.columns["time"][index]
        line = int(reader.line[index])
        reader.noticing.cell(line, "time", text, _time_words(reader.layout))
    reader.good &= (written != NO_TIME)[row]


def _sources(columns: dict[str, Sequence[str]], count: int) -> tuple[list[Who], Ints]:
    """Return whose readings there are, and for each row which; -1 where nobody is named."""
    kinds = [kind for kind in WHO if kind in columns]
    numbers: dict[tuple[str, str], int] = {}
    found = np.full(count, -1, np.int64)
    for kind in reversed(kinds):  # the first that is filled in counts
        own = [
            numbers.setdefault((kind, text), len(numbers)) if text else -1
            for text in map(str.strip, columns[kind])
        ]
        here = np.array(own, np.int64)
        found = np.where(here >= 0, here, found)
    used, source = np.unique(found, return_inverse=True)
    names = list(numbers)
    who = [Who(*names[number]) for number in used.tolist() if number >= 0]
    return who, source - int(bool(len(used)) and used[0] < 0)


def _without_value(reader: _Reader, quantity: Quantity) -> int:
    """Let go of rows that say that nothing is there; return how many."""
    empty = np.array([not text.strip() for text in reader.columns[quantity]], np.bool_)
    said = np.zeros(len(empty), np.bool_)
    if "quality" in reader.columns:
        words = [text.strip().lower() for text in reader.columns["quality"]]
        said = np.array([word in NOT_THERE for word in words], np.bool_)
    silent = empty & ~said
    if silent.any():
        line = int(reader.line[np.argmax(silent)])
        n = int(silent.sum())
        what = f"{n} cells are empty: nothing is known then, which is not zero"
        reader.noticing.warn(line, "empty", "", what)
    reader.good &= ~(empty | said)
    return int((empty | said).sum())


def _drop_zeros(reader: _Reader, value: Ints, source: Ints, who: Sequence[Who]) -> None:
    """Let go of zeros where they may stand for gaps; tell how many, once for whom."""
    zero = reader.good & (value == 0)
    numbers, first, counts = np.unique(source[zero], return_index=True, return_counts=True)
    for number, at, n in zip(numbers.tolist(), first.tolist(), counts.tolist(), strict=True):
        item = f"{who[number].kind} {who[number].name}"
        what = f"{n} zeros taken for missing: what was used then is unknown"
        reader.noticing.warn(int(reader.line[zero][at]), "zero", item, what)
    reader.good &= ~zero


def _grades(reader: _Reader) -> Ints:
    texts = reader.columns.get("quality")
    if texts is None:
        return np.zeros(len(reader.line), np.int64)
    found = np.array([GRADES.get(text.strip().lower(), -1) for text in texts], np.int64)
    reader.refuse(found < 0, "quality", f"one of {', '.join(GRADES)}".replace("of , ", "of "))
    return found


def _values(reader: _Reader, quantity: Quantity, source: Ints) -> tuple[Ints, set[tuple[int, str]]]:
    """Return the values in thousandths, and which units were used for whom."""
    texts = reader.columns[quantity]
    if quantity == Quantity.REGISTER:
        values = _floats(texts)
        whole = np.abs(values) < MOST / PARTS
        whole &= np.floor(np.where(whole, values, 0.5)) == np.where(whole, values, 0)
        reader.refuse(~whole | (values < 0), quantity, "a whole number of pulses, 0 or more")
        return _thousandths(values, np.ones(len(values)), reader.good), set()
    factors, units = _units(reader, source)
    values = _floats(texts)
    with np.errstate(over="ignore", invalid="ignore"):
        fits = np.abs(values * factors) < MOST / PARTS
    below = values < 0
    reader.refuse(~fits | below, quantity, "a number, 0 or more, such as 1234.5")
    return _thousandths(values, factors, reader.good), units


def _thousandths(values: NDArray[np.float64], factors: NDArray[np.float64], good: Bools) -> Ints:
    return np.rint(np.where(good, values, 0.0) * factors * PARTS).astype(np.int64)


def _floats(texts: Sequence[str]) -> NDArray[np.float64]:
    """Return numbers; NaN for what is none."""
    try:
        return np.array(list(map(float, texts)))
    except ValueError:
        return np.array([_number(text) for text in texts])


def _number(text: str) -> float:
    try:
        return float(decimal_of(text.strip().replace(" ", "").replace("\u00a0", "")))
    except ValueError:
        return float("nan")


def _units(reader: _Reader, source: Ints) -> tuple[NDArray[np.float64], set[tuple[int, str]]]:
    """Return what a number is to be multiplied by, and which units were used for whom."""
    texts = reader.columns.get("unit")
    names: list[str] = [reader.layout.unit] * len(source)
    if texts is not None:
        names = [text.strip() or reader.layout.unit for text in texts]
    elif not reader.layout.unit:
        raise InputError(f"in which unit? Add a column unit: one of {', '.join(UNITS)}")
    distinct = sorted(set(names))
    number = {name: index for index, name in enumerate(distinct)}
    sizes = np.array([float(UNITS[name][0]) if name in UNITS else np.nan for name in distinct])
    which = np.array([number[name] for name in names], np.int64)
    factors = sizes[which]
    reader.columns.setdefault("unit", names)
    reader.refuse(np.isnan(factors), "unit", f"one of {', '.join(UNITS)}")
    pairs = np.unique(source[reader.good] * len(distinct) + which[reader.good])
    used = {(int(pair) // len(distinct), distinct[int(pair) % len(distinct)]) for pair in pairs}
    return np.where(np.isnan(factors), 0.0, factors), used
