"""A list of devices prepared at the desk: CSV, or texts of labels one a line.

CSV has a line of column names; columns may come in any order, separated by commas, semicolons or
tabs. A module with three meters has three rows with the same ``code``.
"""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Final, TypeVar

from balans.core.errors import Finding, InputError
from balans.core.text import printable
from balans.core.words import DeviceKind, Phase, PointRole, Resource
from balans.protocols.claim import plain_secret
from balans.protocols.fields import NAME
from balans.usecases.mount_order import (
    SERIAL_MAX,
    InputOrder,
    MountOrder,
    check_order,
    parse_dial,
    parse_weight,
)
from balans.usecases.qr_text import PREFIX, Label, parse_label

T = TypeVar("T")
LINES_MAX: Final = 20_000
COLUMNS: Final = (
    "kind",
    "code",
    "secret",
    "place",
    "name",
    "controls",
    "adapter",
    "input",
    "resource",
    "meter",
    "pulse_weight",
    "ratio",
    "phase",
    "role",
    "point",
    "point_name",
    "dial",
)
NEEDED: Final = ("code", "place")
TRUE: Final = {"yes", "true", "1"}
FALSE: Final = {"", "no", "false", "0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedDevice:
    """A device that somebody expects: where it shall hang, and with which meters.

    `line` is where it stands in the list; `place` the code of a node, a hub's site.
    """

    line: int
    kind: DeviceKind
    code: str
    place: str
    name: str = ""
    controls: bool = False
    has_adapter: bool = False
    secret: str = field(default="", repr=False)
    inputs: tuple[InputOrder, ...] = ()

    @property
    def order(self) -> MountOrder:
        """What a module is mounted by."""
        return MountOrder(
            serial=int(self.code),
            place=self.place,
            has_adapter=self.has_adapter,
            inputs=self.inputs,
        )


@dataclass(frozen=True, slots=True)
class ParsedList:
    """What a list says, and all that is wrong with it, each with its line."""

    devices: tuple[PreparedDevice, ...]
    findings: tuple[Finding, ...]


def parse_prepared(text: str) -> ParsedList:
    """Return the devices in `text`; any finding means that the list should not be used."""
    plain = text.removeprefix("\ufeff")
    lines = plain.splitlines()
    if len(lines) > LINES_MAX:
        return _only("list", f"{len(lines)} lines: expected at most {LINES_MAX}")
    if "\x00" in plain:
        return _only("list", "a NUL sign: expected text")
    first = next((line for line in lines if line.strip()), "")
    if not first:
        return _only("list", "empty: expected a line of column names, or texts of labels")
    is_labels = first.strip().upper().startswith(f"{PREFIX}:")
    found, findings = _labels(lines) if is_labels else _table(lines)
    devices = _merged(found, findings)
    findings += [wrong for device in devices for wrong in _check(device)]
    return ParsedList(tuple(devices), tuple(findings))


def _only(where: str, what: str) -> ParsedList:
    return ParsedList((), (Finding(where, what),))


Found = tuple[list[PreparedDevice], list[Finding]]


def _labels(lines: list[str]) -> Found:
    found, findings = [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found.append(_of_label(number, parse_label(line)))
        except InputError as error:
            findings.append(Finding(f"line {number}", str(error)))
    return found, findings


def _of_label(line: int, label: Label) -> PreparedDevice:
    if not label.place:
        raise InputError(f"{label.code}: the place is missing: expected @ and its code at the end")
    return PreparedDevice(
        line=line,
        kind=label.kind,
        code=label.code,
        place=label.place,
        has_adapter=label.has_adapter,
        secret=label.secret,
        inputs=label.meters,
    )


def _table(lines: list[str]) -> Found:
    rows = _rows(lines)
    try:
        _, header = next(rows)
    except (csv.Error, StopIteration) as error:
        return [], [Finding("line 1", f"no line of column names: {error}")]
    names = [name.strip().lower() for name in header]
    wrong = list(_wrong_header(names))
    if wrong:
        return [], [Finding("line 1", what) for what in wrong]
    found: list[PreparedDevice] = []
    findings: list[Finding] = []
    try:
        for number, row in rows:
            _take_row(number, names, row, (found, findings))
    except csv.Error as error:
        findings.append(Finding("list", f"no CSV: {error}"))
    return found, findings


def _rows(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows with the number of their last line; empty ones are passed over."""
    first = next(line for line in lines if line.strip())
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    for row in reader:
        if any(value.strip() for value in row):
            yield reader.line_num, row


def _wrong_header(names: list[str]) -> Iterator[str]:
    for name in names:
        if name not in COLUMNS:
            yield f"column {name[:40]!r}: expected {', '.join(COLUMNS)}"
        elif names.count(name) > 1:
            yield f"column {name!r} is there twice"
    for name in NEEDED:
        if name not in names:
            yield f"column {name!r} is missing"


def _take_row(number: int, names: list[str], row: list[str], found: Found) -> None:
    devices, findings = found
    where = f"line {number}"
    if len(row) != len(names):
        findings.append(Finding(where, f"{len(row)} fields: expected {len(names)}, one a column"))
        return
    reader = _Row(dict(zip(names, (value.strip() for value in row), strict=True)))
    device = reader.device(number)
    if reader.faults:
        findings += [Finding(where, fault) for fault in reader.faults]
    elif device is not None:
        devices.append(device)


@dataclass(slots=True)
class _Row:
    """One row of a table; reading a field notes what is wrong with it."""

    values: dict[str, str]
    faults: list[str] = field(default_factory=list)

    def text(self, name: str) -> str:
        return self.values.get(name, "")

    def read(self, name: str, parse: Callable[[str], T], default: T) -> T:
        text = self.text(name)
        if not text:
            return default
        try:
            return parse(text)
        except (InputError, ValueError) as error:
            told = str(error) if isinstance(error, InputError) else f"{text[:40]!r}"
            self.faults.append(f"{name}: {told}")
            return default

    def optional(self, name: str, parse: Callable[[str], T]) -> T | None:
        return self.read(name, parse, None)

    def device(self, line: int) -> PreparedDevice | None:
        kind = self.read("kind", _word(DeviceKind), DeviceKind.MODULE)
        code = self.read("code", _serial if kind == DeviceKind.MODULE else _name, "")
        place = self.read("place", _name, "")
        for name in NEEDED:
            if not self.text(name):
                self.faults.append(f"{name}: missing")
        secret = self.read("secret", plain_secret, "")
        inputs = self._inputs()
        if kind == DeviceKind.HUB and (inputs or self.text("adapter")):
            self.faults.append("input, adapter: a hub has none")
        return PreparedDevice(
            line=line,
            kind=kind,
            code=code,
            place=place,
            name=printable(self.text("name"))[:200],
            controls=self.read("controls", _truth, default=False),
            has_adapter=self.read("adapter", _truth, default=False),
            secret=secret,
            inputs=inputs,
        )

    def _inputs(self) -> tuple[InputOrder, ...]:
        names = COLUMNS[COLUMNS.index("input") :]
        if not any(self.text(name) for name in names):
            return ()
        for name in ("input", "resource", "meter"):
            if not self.text(name):
                self.faults.append(f"{name}: missing")
        resource = self.read("resource", _word(Resource), Resource.ELECTRICITY)
        weight = self.optional("pulse_weight", lambda text: parse_weight(text, resource))
        return (
            InputOrder(
                number=self.read("input", _number, 0),
                resource=resource,
                meter=self.text("meter"),
                pulse_weight=weight,
                transformer_ratio=self.read("ratio", parse_ratio, Fraction(1)),
                dial=self.optional("dial", parse_dial),
                phase=self.optional("phase", _word(Phase)),
                role=self.read("role", _word(PointRole), PointRole.CONSUMER),
                point=self.text("point") or None,
                point_name=printable(self.text("point_name"))[:200],
            ),
        )


def _word(words: Any) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        by_text = {word.value.lower(): word for word in words}
        if text.lower() not in by_text:
            raise InputError(f"{text[:40]!r} is none of {', '.join(words)}")
        return by_text[text.lower()]

    return parse


def _serial(text: str) -> str:
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= SERIAL_MAX):
        raise InputError(f"{text[:40]!r} is not a serial number of 0 to {SERIAL_MAX}")
    return str(int(text))


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise InputError(f"{text[:64]!r} is not 1-64 of A-Z a-z 0-9 _ . -")
    return text


def _number(text: str) -> int:
    if text not in {"1", "2", "3"}:
        raise InputError(f"{text[:40]!r} is not 1, 2 or 3")
    return int(text)


def _truth(text: str) -> bool:
    if text.lower() not in TRUE | FALSE:
        raise InputError(f"{text[:40]!r} is neither yes nor no")
    return text.lower() in TRUE


def parse_ratio(text: str) -> Fraction:
    """Return a transformer ratio such as ``100/5`` or ``20``, or raise `InputError`."""
    above, _, below = text.replace(" ", "").replace(",", ".").partition("/")
    if not all(
        part.replace(".", "", 1).isdigit() and part.isascii() for part in (above, below or "1")
    ):
        raise InputError(f"{text[:40]!r}: expected a ratio such as 100/5")
    if not Fraction(below or "1") or len(text) > 20:
        raise InputError(f"{text[:40]!r}: expected a ratio such as 100/5")
    return Fraction(above) / Fraction(below or "1")


def _merged(found: list[PreparedDevice], findings: list[Finding]) -> list[PreparedDevice]:
    """Return one device for all rows of the same code, which must agree."""
    merged: dict[tuple[DeviceKind, str], PreparedDevice] = {}
    for device in found:
        key = (device.kind, device.code)
        first = merged.get(key)
        if first is None:
            merged[key] = device
        elif replace(device, line=first.line, inputs=()) != replace(first, inputs=()):
            what = f"{device.code}: place, name or another field differs from line {first.line}"
            findings.append(Finding(f"line {device.line}", what))
        elif device.kind == DeviceKind.HUB or not device.inputs:
            findings.append(
                Finding(f"line {device.line}", f"{device.code}: given in line {first.line} already")
            )
        else:
            merged[key] = replace(first, inputs=first.inputs + device.inputs)
    return list(merged.values())


def _check(device: PreparedDevice) -> Iterator[Finding]:
    where = f"line {device.line}"
    if device.kind == DeviceKind.HUB:
        if not device.secret:
            yield Finding(where, f"hub {device.code}: the secret of its label is missing")
        return
    for wrong in check_order(device.order):
        yield Finding(where, f"module {device.code}: {wrong.where}: {wrong.what}")
