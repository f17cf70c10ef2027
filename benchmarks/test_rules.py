"""A week of 24 flats under every rule; the table stands below the times."""

from typing import Any

import pytest
from benchmarks.compare_rules import JUDGED, compare, print_table
from benchmarks.sites import flats_case
from pytest_benchmark.fixture import BenchmarkFixture


def test_week_of_flats_under_all_rules(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    case = flats_case()
    result: dict[str, Any] = benchmark.pedantic(  # type: ignore[no-untyped-call]  # no types there
        compare, args=(case,), rounds=1, warmup_rounds=0
    )
    with capsys.disabled():
        print_table(result)
    ours = result["rules"]["ours"]
    assert ours["yellow_violations"] == ours["red_switchings"] == 0
    assert set(result["ahead"]["evcc"]) == set(JUDGED)
