"""What is noticed while a file is read, so many of a kind one by one and the rest as a count."""

from collections import Counter

from balans.usecases.import_table import LineFinding, shown

SAID_MAX = 2_000
"""So many findings of one kind are told one by one."""


class Noticing:
    """Collects findings of one sheet."""

    def __init__(self, sheet: str = "") -> None:
        self.sheet = sheet
        self._found: list[LineFinding] = []
        self._count = Counter[tuple[str, str]]()

    def error(self, line: int, code: str, item: str, what: str) -> None:
        """Take note of something that cannot be imported."""
        self._add(LineFinding(line, code, item, what, "error", self.sheet))

    def warn(self, line: int, code: str, item: str, what: str) -> None:
        """Take note of something odd that is imported all the same."""
        self._add(LineFinding(line, code, item, what, "warning", self.sheet))

    def cell(self, line: int, column: str, text: str, expected: str) -> None:
        """Take note of a cell that cannot be read."""
        self.error(line, column, "", f"{column}: {shown(text)}: expected {expected}")

    def _add(self, finding: LineFinding) -> None:
        key = (finding.code, finding.severity)
        self._count[key] += 1
        if self._count[key] <= SAID_MAX:
            self._found.append(finding)

    @property
    def errors(self) -> int:
        """How many errors there are, also those that are not told one by one."""
        return sum(n for (_, severity), n in self._count.items() if severity == "error")

    @property
    def warnings(self) -> int:
        """How many warnings there are."""
        return sum(n for (_, severity), n in self._count.items() if severity == "warning")

    @property
    def counts(self) -> dict[str, int]:
        """How many findings there are of each kind."""
        found = Counter[str]()
        for (code, _), n in self._count.items():
            found[code] += n
        return dict(sorted(found.items()))

    def findings(self) -> list[LineFinding]:
        """Return the findings by line, those about the whole file first."""
        rest = [
            LineFinding(
                0, code, "", f"{code}: {n - SAID_MAX} more are not listed", severity, self.sheet
            )
            for (code, severity), n in self._count.items()
            if n > SAID_MAX
        ]
        return sorted(rest + self._found, key=lambda finding: finding.line)
