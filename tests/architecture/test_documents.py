"""Links and pictures of the documents lead somewhere."""

import re
from pathlib import Path

import pytest

from balans.usecases.run_load_control import Why

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("*.md")]
LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize(
    "document", DOCUMENTS, ids=[str(path.relative_to(ROOT)) for path in DOCUMENTS]
)
def test_links_lead_somewhere(document: Path) -> None:
    targets = LINK.findall(document.read_text(encoding="utf-8"))
    local = [target for target in targets if not target.startswith(("http://", "https://"))]
    assert [target for target in local if not (document.parent / target).exists()] == []


def test_there_are_documents() -> None:
    assert {"README.md", "ARCHITECTURE.md"} <= {path.name for path in DOCUMENTS}


def test_the_reasons_of_refusals_are_those_of_the_gate() -> None:
    text = (ROOT / "docs" / "reference" / "hub-wire.md").read_text(encoding="utf-8")
    table = text.split("refused is logged and counted by reason:")[1].split("A hub without keys")[0]
    first = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    assert set(re.findall(r"`(\w+)`", " ".join(first))) == {one.value for one in Why}
