"""537 recorded homes under three transformers: what is known balances, what is missing is no loss.

Recording: K. Hopf, A. Weigert, T. Staake, ResidentialEnergyConsumption 1.1.0 (CC BY-SA 4.0), seven
weeks of 2018 in 15-minute steps, read where it lies (`BALANS_DATA`, else ``../shared/data`` beside
the checkout); without it the test is skipped. Its 15 negative values, corrections by the utility,
count as nothing used: a register does not go back.
"""

import csv
import gzip
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from numpy.typing import NDArray

from balans.core.hours import hour_of, time_of
from balans.core.words import Resource
from balans.domain.balances import Reach
from balans.protocols.hub import Batch, Entry, EntryKind
from balans.protocols.readings import Reading, pack
from balans.storage import lookups
from balans.storage.balance_doubts import doubts
from balans.storage.balance_groups import group_of
from balans.storage.balance_upkeep import take_news
from balans.storage.balances import Report, Step, balance, bounds_of
from balans.storage.flush import flush_inbox
from balans.storage.inbox import store_batch
from balans.storage.registry import apply_plan
from balans.storage.scope import tenant_scope
from balans.usecases.registry_plan import (
    HubPlan,
    MeterPlan,
    ModulePlan,
    MountingPlan,
    NodePlan,
    PointPlan,
    RegistryPlan,
    TenantPlan,
)

ROOT = Path(__file__).resolve().parents[2]
FOLDER = (
    Path(os.environ.get("BALANS_DATA") or ROOT.parent / "shared" / "data") / "households_ch_15min"
)
pytestmark = [
    pytest.mark.skipif(not FOLDER.exists(), reason=f"needs {FOLDER.name} in BALANS_DATA"),
    pytest.mark.django_db,
    pytest.mark.slow,
]
ZURICH = ZoneInfo("Europe/Zurich")
START = datetime(2018, 10, 29, tzinfo=ZURICH)
FIRST = hour_of(START)
WEEKS = 7
HOURS = WEEKS * 7 * 24
END = START + timedelta(hours=HOURS)  # no change of clocks in between
LATER = END + timedelta(days=1)
TRANSFORMERS = 3
HOMES = 537
SERIAL = 20_000
RATIO = 20
HELD_BACK = 0.1


@dataclass(frozen=True)
class Town:
    """Registers at every full hour [pulses]: homes first, then the transformers."""

    registers: NDArray[np.int64]
    transformer_of: NDArray[np.intp]
    tenant_id: int

    def children(self, transformer: int) -> NDArray[np.intp]:
        """Return the rows of the balance of a transformer: its homes, and itself."""
        return np.append(np.flatnonzero(self.transformer_of == transformer), HOMES + transformer)


def recorded_wh() -> NDArray[np.int64]:
    """Return what each home used each hour, (homes, hours)."""
    weeks = []
    for week in range(44, 44 + WEEKS):
        with gzip.open(FOLDER / f"elcons_15min_w{week}.csv.gz", "rt", encoding="utf-8") as file:
            rows = sorted(list(csv.reader(file))[1:], key=lambda row: int(row[0]))
        weeks.append(np.array([[float(value) for value in row[1:]] for row in rows]))
    kwh = np.maximum(np.concatenate(weeks, axis=1), 0.0)
    assert kwh.shape == (HOMES, HOURS * 4)
    hourly: NDArray[np.int64] = np.rint(kwh.reshape(HOMES, HOURS, 4).sum(axis=2) * 1000).astype(
        np.int64
    )
    return hourly


@pytest.fixture
def town() -> Town:
    """The registry: a district, three transformers of 0.05 Wh × 20 a pulse, homes of 1 Wh."""
    used = recorded_wh()
    transformer_of = np.arange(HOMES) % TRANSFORMERS
    through = np.stack([used[transformer_of == t].sum(axis=0) for t in range(TRANSFORMERS)])
    steps = np.concatenate((used, through))
    registers = np.concatenate((np.zeros((len(steps), 1), np.int64), steps.cumsum(axis=1)), axis=1)
    return Town(registers, transformer_of, apply_plan(plan(transformer_of)).tenant_id)


def plan(transformer_of: NDArray[np.intp]) -> RegistryPlan:
    homes = [(f"home-{n}", f"t{transformer}") for n, transformer in enumerate(transformer_of)]
    transformers = [f"t{n}" for n in range(TRANSFORMERS)]
    codes = [*(code for code, _ in homes), *transformers]
    return RegistryPlan(
        tenant=TenantPlan(code="swiss", name="Swiss"),
        nodes=(
            NodePlan(code="district", name="District", kind="district", timezone="Europe/Zurich"),
            *(NodePlan(code=t, name=t, kind="street", parent="district") for t in transformers),
            *(NodePlan(code=code, name=code, kind="building", parent=t) for code, t in homes),
        ),
        points=tuple(
            PointPlan(
                code=code,
                name=code,
                node=code,
                resource="electricity",
                role="inflow" if code in transformers else "consumer",
            )
            for code in codes
        ),
        meters=tuple(
            MeterPlan(
                serial=code,
                resource="electricity",
                pulse_weight=Fraction(1, RATIO) if code in transformers else Fraction(1),
                transformer_ratio=Fraction(RATIO) if code in transformers else Fraction(1),
            )
            for code in codes
        ),
        mountings=tuple(
            MountingPlan(meter=code, point=code, module=SERIAL + n, input=1)
            for n, code in enumerate(codes)
        ),
        hubs=(HubPlan(code="swiss-hub", site="district"),),
        modules=tuple(
            ModulePlan(serial=SERIAL + n, node=code, hub="swiss-hub")
            for n, code in enumerate(codes)
        ),
    )


def deliver(town: Town, wanted: NDArray[np.bool_], journal: int) -> None:
    """Bring in the wanted registers, a batch a day, the last day first."""
    for day in reversed(range(0, HOURS + 1, 24)):
        rows, hours = np.nonzero(wanted[:, day : day + 24])
        readings = [
            Reading(SERIAL + row, 1, FIRST + day + hour, int(town.registers[row, day + hour]))
            for row, hour in zip(rows.tolist(), hours.tolist(), strict=True)
        ]
        entries = tuple(
            Entry(EntryKind.READINGS, pack(readings[at : at + 1000]))
            for at in range(0, len(readings), 1000)
        )
        if entries:
            store_batch("swiss-hub", Batch.of(journal, day * 1000, entries), LATER)
    flush_inbox(LATER)


def report(town: Town, code: str, step: Step, reach: Reach = Reach.METERS) -> Report:
    take_news(wait=True)
    node = lookups.site_by_code(town.tenant_id, code)
    assert node is not None
    group = group_of(node, Resource.ELECTRICITY)
    assert group is not None
    return balance(group, bounds_of(START, END, step, ZURICH), step, LATER, reach)


def test_all_that_is_known_balances(town: Town) -> None:
    """And what is held back first and comes later leaves no trace."""
    everything = np.ones(town.registers.shape, np.bool_)
    late = np.random.default_rng(537).random(town.registers.shape) < HELD_BACK
    deliver(town, ~late, 1)
    with tenant_scope(town.tenant_id):
        check_the_held_back(town, late)
    deliver(town, everything, 2)
    with tenant_scope(town.tenant_id):
        for code in ("district", *(f"t{n}" for n in range(TRANSFORMERS))):
            for step in Step:
                for line in report(town, code, step).lines:
                    assert line.balance.imbalance == 0
                    assert line.balance.completeness == 1.0
        district = report(town, "district", Step.YEAR, Reach.CONSUMERS).lines
        total = town.registers[:HOMES, -1].sum()
        assert [line.balance.inflow for line in district] == [total * 1000]
        daily = [line.balance.outflow for line in report(town, "district", Step.DAY).lines]
        used = np.diff(town.registers[:HOMES, ::24], axis=1).sum(axis=0)
        assert daily == (used * 1000).tolist()


def check_the_held_back(town: Town, late: NDArray[np.bool_]) -> None:
    """With a tenth of the readings missing completeness is exact, and no imbalance is told."""
    for transformer in range(TRANSFORMERS):
        rows = town.children(transformer)
        there = ~late[rows]
        for step, stride in ((Step.HOUR, 1), (Step.DAY, 24)):
            known = there[:, :-1:stride] & there[:, stride::stride]
            lines = report(town, f"t{transformer}", step).lines
            assert len(lines) == known.shape[1]
            shares = np.array([line.balance.completeness for line in lines])
            assert np.array_equal(shares, known.sum(axis=0) / len(rows))
            for column, line in enumerate(lines):
                is_whole = bool(known[:, column].all())
                assert line.balance.imbalance == (0 if is_whole else None)
    named = doubts(report(town, "t0", Step.HOUR))
    rows = town.children(0)
    codes = np.array([*(f"home-{n}" for n in range(HOMES)), "t0"])[np.append(rows[:-1], HOMES)]
    for hour in range(0, HOURS, 97):
        gone = late[rows, hour] | late[rows, hour + 1]
        assert [one.code for one in named[hour]] == sorted(codes[gone].tolist())


def test_homes_that_are_silent_are_missing_and_no_loss(town: Town) -> None:
    """A tenth of the homes sends nothing at all: no balance of the day can be told."""
    silent = np.zeros(town.registers.shape, np.bool_)
    silent[np.arange(0, HOMES, 10)] = True
    deliver(town, ~silent, 1)
    with tenant_scope(town.tenant_id):
        lines = report(town, "district", Step.DAY).lines
        points = HOMES + TRANSFORMERS
        share = (points - len(range(0, HOMES, 10))) / points
        assert {line.balance.imbalance for line in lines} == {None}
        assert {line.balance.completeness for line in lines} == {share}
        assert all(line.balance.inflow is not None for line in lines)
        assert time_of(FIRST) == lines[0].start
