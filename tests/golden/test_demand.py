"""Cases calculated by hand: site and profile in, trace and summary out, to the digit."""

import json
from pathlib import Path

import pytest

from balans.cli.simulate import read_site
from balans.usecases.simulate_site import simulate_site
from balans.usecases.site_report import summarize, trace_lines

CASES = sorted(path.parent for path in Path(__file__).parent.glob("demand/*/SITE.toml"))


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_case(case: Path) -> None:
    site, profile = read_site(case / "SITE.toml")
    replay = simulate_site(site, profile, timer=lambda: 0)
    assert "".join(trace_lines(replay)) == (case / "trace.csv").read_text()
    summary = summarize(replay)
    expected = json.loads((case / "expected.json").read_text())
    assert {key: summary[key] for key in expected} == expected
