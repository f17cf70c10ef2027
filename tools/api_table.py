"""The table of the API's operations in its reference, as the server describes them."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "reference" / "api.md"
BEGIN, END = "<!-- operations: begin -->", "<!-- operations: end -->"


def _schema() -> dict[str, Any]:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "balans.web.settings")
    import django

    django.setup()
    from balans.web.api.app import description

    return description()


def table() -> str:
    """Return the operations by chapter, as Markdown."""
    chapters: dict[str, list[str]] = {}
    for path, methods in _schema()["paths"].items():
        for method, operation in methods.items():
            rows = chapters.setdefault(operation["tags"][0], [])
            what = operation["description"].split("\n")[0]
            rows.append(f"| `{method.upper()} {path}` | `{operation['x-scope']}` | {what} |")
    return "\n".join(_chapters(chapters))


def _chapters(chapters: dict[str, list[str]]) -> Iterator[str]:
    for name, rows in chapters.items():
        yield from ("", f"### {name}", "", "| operation | scope | what |", "|---|---|---|", *rows)
    yield ""


def bring_up_to_date(*, check: bool) -> list[str]:
    """Write the table, or with `check` tell whether it is stale."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    fresh = f"{before}{BEGIN}\n{table()}\n{END}{after}"
    if fresh == text:
        return []
    if check:
        return [f"{DOCUMENT.name} is stale: run python tools/generated.py"]
    DOCUMENT.write_text(fresh, encoding="utf-8")
    return []
