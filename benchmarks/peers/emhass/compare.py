"""Our planner, EMHASS's rolling optimization, no control and foresight on one recorded house.

    python -m benchmarks.peers.emhass.compare HOUSE.csv.gz [--from DATE] [--days N] [--json]

The first run makes a virtual environment for the peer and installs EMHASS 0.18.7 in it.
"""

import argparse
import gzip
import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from benchmarks.peers.emhass.controller import Emhass, peer_python

from balans.cli.bench_plan import print_table
from balans.usecases.compare_plan import compare_plan
from balans.usecases.house_record import read_house
from balans.usecases.house_replay import HouseReplay
from balans.usecases.house_terms import Terms

FOLDER = Path("build/peers/emhass")
SCENARIOS = 6


def compare(replay: HouseReplay, first: int, last: int, folder: Path) -> dict[str, Any]:
    """Return the bills of a period, EMHASS among them, and how often EMHASS found no plan."""
    python = peer_python(folder)
    peers = {
        "emhass": Emhass(python, replay.terms),
        "emhass_empty": Emhass(python, replay.terms, may_empty=True),
    }
    found = compare_plan(replay, first, last, dict(peers))
    for peer in peers.values():
        peer.close()
    return found | {"emhass_failed": [peer.failed for peer in peers.values()]}


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("house", type=Path)
    parser.add_argument("--from", dest="begin", default="2016-01-01")
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--environment", type=Path, default=FOLDER)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    zone = ZoneInfo("Europe/Berlin")
    text = gzip.decompress(given.house.read_bytes()).decode()
    replay = HouseReplay(read_house(text, given.house.name, zone), Terms(), zone, SCENARIOS)
    first, last = replay.hours_of(np.datetime64(given.begin), given.days)
    result = compare(replay, first, last, given.environment)
    if given.json:
        print(json.dumps(result))
    else:
        print_table(result)


if __name__ == "__main__":
    main()
