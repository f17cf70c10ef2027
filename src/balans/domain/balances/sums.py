"""Sums over many points at once, exact: pulses are added as integers and rounded once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from balans.domain.balances.words import State

MILLI = 1000
"""Sums are told in thousandths of a Wh, varh or l."""

_SAFE, _HIGHEST = 1 << 62, (1 << 63) - 1

Counts: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over points, shape (..., n) for n intervals.

    Parameters
    ----------
    energy
        Of the points that are known [mWh, mvarh or ml].
    expected, known
        Points that should have a value, and that have one.
    suspect, estimated
        How many of the known values are.
    """

    energy: NDArray[np.int64]
    expected: Counts
    known: Counts
    suspect: Counts
    estimated: Counts

    @classmethod
    def none(cls, *shape: int) -> Self:
        """Return sums over no point at all."""
        return cls(*(np.zeros(shape, np.int64) for _ in range(5)))

    def __add__(self, other: "Sums") -> "Sums":
        pairs = zip(self.columns, other.columns, strict=True)
        return Sums(*(mine + theirs for mine, theirs in pairs))

    def minus(self, other: "Sums") -> "Sums":
        """Return the difference of energies; what has to be known for it adds up."""
        (energy, *counts), (theirs, *others) = self.columns, other.columns
        added = (mine + more for mine, more in zip(counts, others, strict=True))
        return Sums(energy - theirs, *added)

    def __getitem__(self, index: Any) -> "Sums":
        return Sums(*(column[index] for column in self.columns))

    @property
    def columns(self) -> tuple[NDArray[np.int64], ...]:
        """The arrays in the order of the fields."""
        return self.energy, self.expected, self.known, self.suspect, self.estimated

    @property
    def is_complete(self) -> NDArray[np.bool_]:
        """Where there is something to know and all of it is known."""
        complete: NDArray[np.bool_] = (self.expected > 0) & (self.known == self.expected)
        return complete


@dataclass(frozen=True, slots=True)
class Cells:
    """What is known of p points in n intervals.

    Parameters
    ----------
    pulses
        Shape (p, n); 0 where unknown.
    worths
        What a pulse can be worth [Wh, varh or l].
    kind
        Which of `worths` that of each point is, (p,).
    state
        Shape (p, n) of `State`.
    exact
        Energies by (point, interval) that are no multiple of it, such as that of a day on which
        the meter was exchanged; `pulses` is 0 there.
    """

    pulses: NDArray[np.int64]
    worths: tuple[Fraction, ...]
    kind: NDArray[np.integer]
    state: NDArray[np.uint8]
    exact: Mapping[tuple[int, int], Fraction] = field(default_factory=dict)

    def take(self, rows: NDArray[np.integer]) -> "Cells":
        """Return the cells of points `rows`, in that order; a point may come more than once."""
        places: dict[int, list[int]] = {}
        for place, row in enumerate(rows.tolist() if self.exact else ()):
            places.setdefault(row, []).append(place)
        exact = {
            (place, interval): energy
            for (row, interval), energy in self.exact.items()
            for place in places.get(row, ())
        }
        return Cells(self.pulses[rows], self.worths, self.kind[rows], self.state[rows], exact)

    def energy(self, point: int, interval: int) -> Fraction | None:
        """Return the energy of one cell, None where unknown."""
        if not State.MEASURED <= self.state[point, interval] <= State.SUSPECT:
            return None
        if (point, interval) in self.exact:
            return self.exact[point, interval]
        return int(self.pulses[point, interval]) * self.worths[int(self.kind[point])]


def summed(cells: Cells, slot: NDArray[np.integer], slots: int) -> Sums:
    """Return the sums of `cells` by slot, shape (slots, n).

    Parameters
    ----------
    slot
        Into which sum each point goes, (p,), from 0 to ``slots - 1``.
    """
    state = cells.state
    return Sums(
        _energy(cells, slot, slots),
        *(
            _counted(mask, slot, slots)
            for mask in (
                state != State.UNEXPECTED,
                _known(state),
                state == State.SUSPECT,
                state == State.ESTIMATED,
            )
        ),
    )


def _known(state: NDArray[np.uint8]) -> NDArray[np.bool_]:
    known: NDArray[np.bool_] = (state >= State.MEASURED) & (state <= State.SUSPECT)
    return known


def _counted(mask: NDArray[np.bool_], slot: NDArray[np.integer], slots: int) -> Counts:
    if mask.all():  # as nearly always of what is expected and known
        total = np.bincount(slot, minlength=slots).astype(np.int64)
        return np.repeat(total[:, np.newaxis], mask.shape[1], axis=1)
    return _added(mask, slot, slots) if mask.any() else np.zeros((slots, mask.shape[1]), np.int64)


def _added(
    values: NDArray[np.int64] | NDArray[np.bool_], slot: NDArray[np.integer], slots: int
) -> NDArray[np.int64]:
    """Return the rows of `values` added up by slot."""
    total = np.zeros((slots, values.shape[1]), np.int64)
    if not len(values):
        return total
    if (slot[1:] < slot[:-1]).any():
        order = np.argsort(slot, kind="stable")
        slot, values = slot[order], values[order]
    first = np.flatnonzero(np.diff(slot, prepend=-1))
    total[slot[first]] = np.add.reduceat(values, first, axis=0, dtype=np.int64)
    return total


def _energy(cells: Cells, slot: NDArray[np.integer], slots: int) -> NDArray[np.int64]:
    worths = cells.worths or (Fraction(1),)
    common = lcm(*(worth.denominator for worth in worths))
    place = slot.astype(np.int64) * len(worths) + cells.kind
    pulses = _added(cells.pulses, place, slots * len(worths))
    pulses = pulses.reshape(slots, len(worths), -1)
    weights = [int(worth * common) * MILLI for worth in worths]
    highest = int(np.abs(pulses).max(initial=0))
    narrow = 2 * highest * sum(weights) + common < _SAFE and not cells.exact
    total = _weighted(pulses, weights, np.int64 if narrow else object)
    for (point, interval), energy in cells.exact.items():
        total[int(slot[point]), interval] += energy * common * MILLI
    rounded = (2 * total + common) // (2 * common)
    if not narrow:  # what no table holds stands at the edge of it
        rounded = np.clip(rounded, -_HIGHEST, _HIGHEST)
    return np.asarray(rounded).astype(np.int64)


def _weighted(pulses: NDArray[np.int64], weights: list[int], kind: Any) -> NDArray[Any]:
    total = np.zeros((pulses.shape[0], pulses.shape[2]), kind)
    for index, weight in enumerate(weights):
        total = total + pulses[:, index].astype(kind) * weight
    return total


def in_milli(energy: Fraction) -> int:
    """Return an energy in thousandths, rounded half up as sums are.

    >>> in_milli(Fraction(1, 3)), in_milli(Fraction(1, 2000)), in_milli(Fraction(-1, 2000))
    (333, 1, 0)
    """
    return (2 * energy.numerator * MILLI + energy.denominator) // (2 * energy.denominator)
