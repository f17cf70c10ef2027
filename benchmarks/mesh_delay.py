"""How long a command takes through a radio mesh of 240 battery modules: a small flood model.

The mesh wakes every `SUPERFRAME_S`. A command that has reached the hub waits for the next window,
and floods through it: each module that has it sends it three times, in one of four sub-slots of
10 ms of each turn, unless it has heard four copies. The hub repeats it in every superframe.

Modules lie at random on a strip one unit wide, the hub at its end; one unit is the distance over
which half of the packets arrive. Path loss has the exponent 3.2, shadowing is log-normal with 4 dB,
a packet is taken when it is 4 dB above the sum of all others in its sub-slot, and besides a fifth
of all receptions is lost from outside. `SLOPE_DB` is ours: how steep reception is over the signal.

What the model leaves out: collisions with archives, clock drift, and modules that listen in the
turn of their own layer only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

MODULES: Final = 240
SUPERFRAME_S: Final = 30.0
SUBSLOTS, SUBSLOT_S, TURN_S = 4, 0.010, 0.047
"""A turn holds four sub-slots and the guard times around them."""
REPEATS, ENOUGH_COPIES = 3, 4
EXPONENT, SHADOWING_DB, CAPTURE_DB, SLOPE_DB = 3.2, 4.0, 4.0, 1.5
GOOD_LINK: Final = 0.7
"""Hops are counted over links on which at least so many packets arrive."""
TURNS_MOST: Final = 150
WINDOWS_MOST: Final = 10
SERVER_S: Final = 1.0
"""From the click to the hub: as much as the server is allowed."""


@dataclass(frozen=True, slots=True)
class Mesh:
    """A topology: signal of each pair above what half of the packets need [dB], and hops."""

    signal_db: Floats
    hops: NDArray[np.int64]


def strip(length: float, random: np.random.Generator) -> Mesh:
    """Return a mesh on a strip of `length` in which every module is reached over good links."""
    while True:
        place = random.uniform((0, 0), (length, 1), (MODULES + 1, 2))
        place[0] = (0, 0.5)
        distance = np.hypot(*(place[:, None] - place[None]).transpose(2, 0, 1))
        shadow = np.triu(random.normal(0, SHADOWING_DB, distance.shape), 1)
        signal_db = -10 * EXPONENT * np.log10(np.maximum(distance, 1e-3)) + shadow + shadow.T
        np.fill_diagonal(signal_db, -np.inf)
        hops = _hops(_reception(signal_db) >= GOOD_LINK)
        if (hops >= 0).all():
            return Mesh(signal_db, hops)


def _reception(signal_db: Floats) -> Floats:
    found: Floats = 1 / (1 + np.exp(-np.clip(signal_db, -60, 60) / SLOPE_DB))
    return found


def _hops(good: Flags) -> NDArray[np.int64]:
    hops = np.full(len(good), -1)
    front, depth = np.zeros(len(good), dtype=bool), 0
    front[0] = True
    while front.any():
        hops[front] = depth
        front = good[front].any(axis=0) & (hops < 0)
        depth += 1
    return hops


def flood(mesh: Mesh, loss: float, random: np.random.Generator) -> Floats:
    """Return when each module heard the command in one window [s from its start]; inf: never."""
    count = len(mesh.hops)
    heard_s = np.full(count, np.inf)
    heard_s[0] = 0.0
    copies, left = np.zeros(count, dtype=int), np.zeros(count, dtype=int)
    left[0] = REPEATS
    power = 10 ** (mesh.signal_db / 10)
    for turn in range(TURNS_MOST):
        senders = np.flatnonzero((left > 0) & (copies < ENOUGH_COPIES))
        if not len(senders):
            break
        slots = random.integers(0, SUBSLOTS, len(senders))
        before = heard_s.copy()
        for slot in range(SUBSLOTS):
            sending = senders[slots == slot]
            got = _received(mesh, power, sending, loss, random)
            copies += got
            end_s = turn * TURN_S + (slot + 1) * SUBSLOT_S
            heard_s = np.where(got & np.isinf(heard_s), end_s, heard_s)
        left[senders] -= 1
        left[np.isinf(before) & np.isfinite(heard_s)] = REPEATS
    return heard_s


def _received(
    mesh: Mesh, power: Floats, sending: NDArray[np.intp], loss: float, random: np.random.Generator
) -> Flags:
    count = len(mesh.hops)
    if not len(sending):
        return np.zeros(count, dtype=bool)
    arriving = power[sending]
    best = arriving.argmax(axis=0)
    strongest = arriving[best, np.arange(count)]
    others = arriving.sum(axis=0) - strongest
    is_clear = strongest >= 10 ** (CAPTURE_DB / 10) * others
    chance = _reception(mesh.signal_db[sending[best], np.arange(count)]) * (1 - loss)
    got: Flags = is_clear & (random.random(count) < chance)
    got[sending] = False
    return got


def delays(mesh: Mesh, loss: float, random: np.random.Generator) -> tuple[Floats, Floats]:
    """Return the delay of each module from the click [s], and what the first window reached.

    The window comes after a wait that is uniform over the superframe.
    """
    begins_s = SERVER_S + random.uniform(0, SUPERFRAME_S)
    found = np.full(MODULES, np.inf)
    first: Floats | None = None
    for window in range(WINDOWS_MOST):
        heard_s = flood(mesh, loss, random)[1:]
        first = heard_s if first is None else first
        found = np.minimum(found, begins_s + window * SUPERFRAME_S + heard_s)
        if np.isfinite(found).all():
            break
    assert first is not None
    return found, first


def measure(
    length: float, loss: float = 0.2, topologies: int = 12, floods: int = 25, seed: int = 1
) -> dict[str, Any]:
    """Return the figures of `topologies` meshes on a strip of `length`, `floods` commands each."""
    random = np.random.default_rng([seed, round(length * 100), round(loss * 100)])
    runs = list(_runs(length, loss, topologies, floods, random))
    found = np.concatenate([delay for _, delay, _ in runs])
    reached = np.array([np.isfinite(first).mean() for *_, first in runs])
    last_s = [float(first.max()) for *_, first in runs if np.isfinite(first).all()]
    quantiles = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {
        "hops_mean": round(float(np.mean([mesh.hops.max() for mesh, *_ in runs])), 1),
        "hops_max": int(max(mesh.hops.max() for mesh, *_ in runs)),
        "loss": loss,
        "commands": len(runs),
        "complete_in_first": round(float((reached == 1).mean()), 4),
        "coverage_of_first": round(float(reached.mean()), 5),
        "last_module_s": round(float(np.median(last_s)), 2) if last_s else None,
        "mean_s": round(float(found.mean()), 2),
        **{f"{name}_s": round(float(np.quantile(found, at)), 2) for name, at in quantiles.items()},
    }


def _runs(
    length: float, loss: float, topologies: int, floods: int, random: np.random.Generator
) -> Iterator[tuple[Mesh, Floats, Floats]]:
    for _ in range(topologies):
        mesh = strip(length, random)
        for _ in range(floods):
            yield mesh, *delays(mesh, loss, random)
