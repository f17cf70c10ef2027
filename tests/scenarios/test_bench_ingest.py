"""``balans bench ingest``: what it sends is what it says, and what it reports is the contract."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from balans.cli.bench_town import BenchTown
from balans.protocols.hub import Batch, decode
from balans.protocols.readings import RECORD, unpack

CONTRACT = {
    "readings",
    "seconds",
    "readings_per_s",
    "copy_limit_readings_per_s",
    "ratio",
    "bytes_per_reading",
}


@pytest.mark.parametrize("every", [1, 5])
def test_everything_is_sent_some_late_and_some_twice(every: int) -> None:
    town = BenchTown(channels=1000, hours=20, start=240_000, latest_h=6, seed=3)
    sent, on_time = [], 0
    offsets: dict[str, int] = {}
    for first in range(0, 26, every):
        for hub, payload in town.deliveries(first, first + every):
            batch = decode(payload)
            assert isinstance(batch, Batch)
            assert batch.first == offsets.get(hub, 0)
            offsets[hub] = batch.end
            records = unpack(b"".join(entry.data for entry in batch.entries))
            sent.append(records)
            on_time += int((records["hour"] >= 240_000 + first).sum())
    found = np.concatenate(sent)
    assert found.dtype == RECORD
    assert len(found) == town.sent
    keys, count = np.unique(found[["module", "input", "hour"]], return_counts=True)
    assert len(keys) == 1000 * 20
    assert 100 < (count == 2).sum() < 300
    assert len(found) - on_time > (300 if every == 1 else 100)
    channel = (found["module"].astype(int) - 1) * 3 + found["input"] - 1
    assert (town.registers[channel, found["hour"] - 240_000] == found["register"]).all()


def test_the_report_is_the_contract() -> None:
    environment = {name: value for name, value in os.environ.items() if "BALANS_" not in name}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    command = "bench ingest --channels 1500 --hours 26 --every 12 --reads --seal --json"
    done = subprocess.run(
        [sys.executable, "-m", "balans", *command.split()],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report.keys() >= CONTRACT
    assert report["readings"] == 1500 * 26
    assert report["sealed"]["rows"] == 1500
    assert all(value > 0 for value in report["reads_ms"].values())
    assert report["ratio"] == pytest.approx(
        report["readings_per_s"] / report["copy_limit_readings_per_s"], rel=0.02
    )
