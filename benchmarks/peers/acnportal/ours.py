"""Balans on the same sessions and limits: sharing by least laxity, and perfect foresight."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import highspy
import numpy as np
from benchmarks.peers.acnportal.sessions import PERIOD_MIN, VEHICLE_KW, Session
from highspy._core import _Highs
from numpy.typing import NDArray

from balans.domain.demand.ev_rows import Rows
from balans.domain.demand.ev_sharing import Charging, Order, share_current

Floats = NDArray[np.float64]
STEP_S = PERIOD_MIN * 60.0
HOURS = PERIOD_MIN / 60.0
FIRST_TANGENTS = 8
TOLERANCE = 1e-3
"""The factor of perfect foresight is exact to this."""


class Network(NamedTuple):
    """The peer's network: rows of phasor sums, and what its stations can do."""

    stations: list[str]
    rows: Rows
    volt: Floats
    max_a: Floats
    min_a: Floats
    step_a: Floats


def network_of(told: dict[str, Any], *, continuous: bool) -> Network:
    """Return the network that the peer described."""
    turn = np.exp(1j * np.deg2rad(np.array(told["phase_deg"])))
    rows = Rows(tuple(told["rows"]), np.array(told["matrix"]) * turn, np.array(told["limit_a"]))
    count = len(told["stations"])
    levels = [sorted(set(rates)) for rates in told["allowed_a"]]
    least = np.zeros(count) if continuous else np.array([rates[1] for rates in levels])
    step = np.zeros(count) if continuous else np.array([rates[2] - rates[1] for rates in levels])
    largest = np.array(told["max_a"], dtype=np.float64)
    return Network(told["stations"], rows, np.array(told["volt"]), largest, least, step)


def run(
    network: Network, sessions: Sequence[Session], factor: float, order: Order | None
) -> dict[str, Any]:
    """Replay all sessions; return the currents drawn and the processor time of each step."""
    end = max(one.departure for one in sessions)
    place = np.array([network.stations.index(one.station) for one in sessions])
    arrival = np.array([one.arrival for one in sessions])
    departure = np.array([one.departure for one in sessions])
    asked_wh = np.array([one.kwh * 1000 for one in sessions])
    missing_wh = asked_wh.copy()
    rows = Rows(network.rows.names, network.rows.weights, network.rows.limit * factor)
    current = np.zeros((len(network.stations), end))
    step_s: list[float] = []
    for period in range(end):
        here = np.flatnonzero((arrival <= period) & (period < departure) & (missing_wh > 1e-3))
        if not len(here):
            continue
        at = place[here]
        begin = time.perf_counter()
        cars = Charging(
            left_s=(departure[here] - period) * STEP_S,
            energy_wh=missing_wh[here],
            asked_wh=asked_wh[here],
            watt_per_a=network.volt[at],
            max_a=network.max_a[at],
            min_a=network.min_a[at],
            step_a=network.step_a[at],
        )
        pilot = share_current(cars, rows.of(at), STEP_S, order)
        step_s.append(time.perf_counter() - begin)
        drawn_wh = np.minimum(pilot * network.volt[at] * HOURS, missing_wh[here])
        drawn_wh = np.minimum(drawn_wh, VEHICLE_KW * 1000 * HOURS)
        missing_wh[here] -= drawn_wh
        current[at, period] = drawn_wh / network.volt[at] / HOURS
    return {"factor": factor, "current_a": current, "step_s": step_s}


def foresight_factor(network: Network, sessions: Sequence[Session]) -> float:
    """Return the least factor on all limits with which every session can be served in full.

    Notes
    -----
    A linear programme over all currents of the day. The magnitude of a phasor sum is bounded by
    tangents; those missing where a solution exceeds its circle are added until none does by more
    than `TOLERANCE`. The result is a lower bound, and exact to that.
    """
    model = _Highs()  # `highspy.Highs` prints a banner to standard output
    model.setOptionValue("output_flag", "off")
    model.setOptionValue("threads", 1)  # all of a process must ask for the same number
    model.addVar(0.0, highspy.kHighsInf)
    model.changeColCost(0, 1.0)
    place = [network.stations.index(one.station) for one in sessions]
    columns: dict[int, list[tuple[int, int]]] = {}
    count = 1
    for one, at in zip(sessions, place, strict=True):
        mine = range(count, count + one.departure - one.arrival)
        for column, period in zip(mine, range(one.arrival, one.departure), strict=True):
            model.addVar(0.0, float(network.max_a[at]))
            columns.setdefault(period, []).append((column, at))
        amp_periods = one.kwh * 1000 / network.volt[at] / HOURS
        model.addRow(amp_periods, amp_periods, len(mine), np.array(mine), np.ones(len(mine)))
        count = mine.stop
    angles = np.arange(FIRST_TANGENTS) * 2 * np.pi / FIRST_TANGENTS
    cuts = [
        (period, row, float(angle))
        for period in columns
        for row in range(len(network.rows.limit))
        for angle in angles
    ]
    while cuts:
        for period, row, angle in cuts:
            _add_tangent(model, network, columns[period], row, angle)
        model.run()
        cuts = _exceeded(network, columns, np.array(model.getSolution().col_value))
    return float(model.getInfo().objective_function_value)


def _add_tangent(
    model: Any, network: Network, cars: list[tuple[int, int]], row: int, angle: float
) -> None:
    """Add ``Re(phasor sum turned by -angle) <= factor * limit``."""
    weights = network.rows.weights[row, [at for _, at in cars]]
    seen = np.real(weights * np.exp(-1j * angle))
    used = np.flatnonzero(np.abs(seen) > 1e-12)
    if not len(used):
        return
    index = np.append(np.array([column for column, _ in cars])[used], 0)
    value = np.append(seen[used], -network.rows.limit[row])
    model.addRow(-highspy.kHighsInf, 0.0, len(index), index, value)


def _exceeded(
    network: Network, columns: dict[int, list[tuple[int, int]]], solution: Floats
) -> list[tuple[int, int, float]]:
    bound = network.rows.limit * solution[0] * (1 + TOLERANCE)
    found = []
    for period, cars in columns.items():
        current = np.zeros(len(network.stations))
        current[[at for _, at in cars]] = solution[[column for column, _ in cars]]
        carried = network.rows.weights @ current
        found += [
            (period, int(row), float(np.angle(carried[row])))
            for row in np.flatnonzero(np.abs(carried) > bound)
        ]
    return found
