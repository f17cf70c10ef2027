"""From what hubs send to day rows, beside a raw COPY of the same readings; and reading them."""

import json
import subprocess
import sys
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture


@pytest.mark.timeout(600)
@pytest.mark.parametrize("channels", [2_000, 20_000])
def test_a_day_of_a_town(benchmark: BenchmarkFixture, channels: int) -> None:
    """The whole command, with database and registry; its own figures are printed."""
    report: dict[str, Any] = benchmark.pedantic(  # type: ignore[no-untyped-call]
        measure, (channels,), rounds=1, iterations=1
    )
    print("\n" + json.dumps(report))
    assert report["readings"] == channels * 24


def measure(channels: int) -> dict[str, Any]:
    command = f"bench ingest --channels {channels} --hours 24 --reads --json"
    done = subprocess.run(  # noqa: S603  (the product itself)
        [sys.executable, "-m", "balans", *command.split()],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found
