"""Columns and rows of a mixed-integer linear programme, built from arrays and solved by HiGHS.

HiGHS: Q. Huangfu, J. A. J. Hall, Parallelizing the dual revised simplex method, Mathematical
Programming Computation 10 (2018) 119-142.
"""

from dataclasses import dataclass, field

import highspy
import numpy as np
from highspy._core import _Highs
from numpy.typing import ArrayLike, NDArray

from balans.core.errors import BalansError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
INFINITE = float("inf")
ROW_WISE = 2
MINIMIZE = 1
GOOD = (highspy.HighsModelStatus.kOptimal, highspy.HighsModelStatus.kObjectiveBound)


class SolverError(BalansError):
    """The solver did not even begin: a defect of the programme or of the process, not of time."""

    code = "solver"


@dataclass(frozen=True, slots=True)
class Solved:
    """The value of each column, and what they cost together."""

    values: Floats
    cost: float


@dataclass(slots=True)
class LinearModel:
    """A programme that grows: `columns` and `rows` take arrays and return the new indices."""

    cost: list[Floats] = field(default_factory=list)
    lower: list[Floats] = field(default_factory=list)
    upper: list[Floats] = field(default_factory=list)
    whole: list[Floats] = field(default_factory=list)
    row_lower: list[Floats] = field(default_factory=list)
    row_upper: list[Floats] = field(default_factory=list)
    entry_row: list[Ints] = field(default_factory=list)
    entry_column: list[Ints] = field(default_factory=list)
    entry_value: list[Floats] = field(default_factory=list)
    column_count: int = 0
    row_count: int = 0

    def columns(
        self,
        count: int,
        cost: ArrayLike = 0.0,
        upper: ArrayLike = INFINITE,
        lower: ArrayLike = 0.0,
        *,
        whole: bool = False,
    ) -> Ints:
        """Add `count` columns between `lower` and `upper`; return their indices."""
        for kept, given in ((self.cost, cost), (self.lower, lower), (self.upper, upper)):
            kept.append(np.broadcast_to(np.asarray(given, dtype=np.float64), (count,)))
        self.whole.append(np.full(count, float(whole)))
        first = self.column_count
        self.column_count += count
        return np.arange(first, self.column_count)

    def rows(self, count: int, lower: ArrayLike, upper: ArrayLike) -> Ints:
        """Add `count` empty rows between `lower` and `upper`; return their indices."""
        for kept, given in ((self.row_lower, lower), (self.row_upper, upper)):
            kept.append(np.broadcast_to(np.asarray(given, dtype=np.float64), (count,)))
        first = self.row_count
        self.row_count += count
        return np.arange(first, self.row_count)

    def put(self, rows: Ints, columns: Ints, values: ArrayLike) -> None:
        """Add entries `values` at `rows` and `columns`; the three are broadcast together."""
        row, column, value = np.broadcast_arrays(rows, columns, np.asarray(values, dtype=float))
        self.entry_row.append(row.ravel())
        self.entry_column.append(column.ravel())
        self.entry_value.append(value.ravel())

    @property
    def is_whole(self) -> NDArray[np.bool_]:
        """Which columns must be whole numbers."""
        found: NDArray[np.bool_] = np.concatenate(self.whole) > 0
        return found

    def relaxed(self) -> "Relaxed":
        """Return a solver of the programme whose whole columns may take any value."""
        return Relaxed(self)

    def solve(
        self, time_limit_s: float, gap: float = 0.0, known: Floats | None = None
    ) -> Solved | None:
        """Return the cheapest values; None when there are none, or not within `time_limit_s`.

        A programme with whole columns stops at a relative distance of `gap` from its bound.
        `known` are values that keep every row, to begin with.

        Raises
        ------
        SolverError
            If the solver did not begin. All its users in a process must ask for one thread.
        """
        solver = self._solver(self.is_whole)
        solver.setOptionValue("mip_rel_gap", gap)
        if known is not None:
            start = highspy.HighsSolution()
            start.col_value = list(known)
            solver.setSolution(start)
        return _run(solver, time_limit_s)

    def _solver(self, whole: NDArray[np.bool_]) -> _Highs:
        # The class below `highspy.Highs`: that one prints a banner to standard output.
        solver = _Highs()
        solver.setOptionValue("output_flag", False)  # noqa: FBT003
        solver.setOptionValue("threads", 1)
        row = np.concatenate(self.entry_row)
        order = np.argsort(row, kind="stable")
        starts = np.searchsorted(row[order], np.arange(self.row_count + 1))
        solver.passModel(
            self.column_count,
            self.row_count,
            len(order),
            ROW_WISE,
            MINIMIZE,
            0.0,
            np.concatenate(self.cost),
            np.concatenate(self.lower),
            np.concatenate(self.upper),
            np.concatenate(self.row_lower),
            np.concatenate(self.row_upper),
            starts.astype(np.int32),
            np.concatenate(self.entry_column)[order].astype(np.int32),
            np.concatenate(self.entry_value)[order],
            whole.astype(np.int32),
        )
        return solver


class Relaxed:
    """A programme without whole columns that can be solved again with some columns fixed."""

    def __init__(self, model: LinearModel) -> None:
        self._solver = model._solver(np.zeros(model.column_count, dtype=np.bool_))  # noqa: SLF001

    def fix(self, columns: Ints, values: Floats) -> None:
        """Hold `columns` at `values` from now on."""
        place, at = columns.astype(np.int32), values.astype(np.float64)
        self._solver.changeColsBounds(len(place), place, at, at)

    def solve(self, time_limit_s: float) -> Solved | None:
        """Return the cheapest values, starting from the last ones; None when not in time."""
        return _run(self._solver, time_limit_s)


def _run(solver: _Highs, time_limit_s: float) -> Solved | None:
    # The solver's clock goes on from one run to the next.
    solver.setOptionValue("time_limit", solver.getRunTime() + time_limit_s)
    if solver.run() == highspy.HighsStatus.kError:
        raise SolverError(f"HiGHS did not solve it: {solver.getModelStatus()}")
    info = solver.getInfo()
    # A feasible point found in time, if not the best one, is good enough for a plan.
    feasible = int(highspy.SolutionStatus.kSolutionStatusFeasible)
    if solver.getModelStatus() not in GOOD and int(info.primal_solution_status) != feasible:
        return None
    values = np.asarray(solver.getSolution().col_value)
    return Solved(values, float(info.objective_function_value))
