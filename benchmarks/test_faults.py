"""A million random steps of a house whose equipment fails: what may never happen, counted."""

from pytest_benchmark.fixture import BenchmarkFixture
from tests.unit.domain.demand.faulty_site import HARD, FaultySite

STEPS, HOUSES = 1_000_000, 20


def test_a_million_random_steps_with_faults(benchmark: BenchmarkFixture) -> None:
    def run() -> dict[str, int]:
        total: dict[str, int] = {}
        for seed in range(HOUSES):
            found = FaultySite(seed, guarded=seed % 2 == 0).run(STEPS // HOUSES)
            for name, count in found.items():
                total[name] = total.get(name, 0) + count
        return total

    total = benchmark.pedantic(run, rounds=1, warmup_rounds=0)  # type: ignore[no-untyped-call]
    faults = {name: total.get(name, 0) for name in HARD}
    print(f"\n{STEPS:,} steps: {faults}; {total}")
    assert faults == dict.fromkeys(HARD, 0)
