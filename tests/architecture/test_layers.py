"""The structure is as written down: imports, decisions, reasons of dependencies, sizes."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_import_contracts_hold() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint], cwd=ROOT, capture_output=True, text=True, check=False)
    assert re.search(r"Contracts: [1-9]\d* kept, 0 broken", done.stdout), done.stdout + done.stderr
    assert done.returncode == 0


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    records = sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert records
    assert [name for name in records if f"({name})" not in index] == []


def test_every_runtime_dependency_has_its_reason() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = re.search(r"^dependencies = \[(.*?)^\]", pyproject, re.DOTALL | re.MULTILINE)
    assert block
    names = re.findall(r'"([a-z0-9-]+)', block[1])
    assert len(names) > 5
    text = "\n".join(
        path.read_text(encoding="utf-8").lower()
        for path in (ROOT / "docs" / "decisions").glob("[0-9]*.md")
    )
    assert [name for name in names if name not in text] == []


def test_no_file_is_too_long() -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for path in (ROOT / "src" / "balans").rglob("*.py")
        if "migrations" not in path.parts
        and (count := path.read_text(encoding="utf-8").count("\n")) > 400
    }
    assert long == {}
