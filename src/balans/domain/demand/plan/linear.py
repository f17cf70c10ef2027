"""Columns and rows of a mixed-integer linear programme, built from arrays and solved by HiGHS.

HiGHS: Q. Huangfu, J. A. J. Hall, Parallelizing the dual revised simplex method, Mathematical
Programming Computation 10 (2018) 119-142.
"""

from dataclasses import dataclass, field

import highspy
import numpy as np
from highspy._core import _Highs
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
INFINITE = float("inf")
ROW_WISE = 2
MINIMIZE = 1
GOOD = (highspy.HighsModelStatus.kOptimal, highspy.HighsModelStatus.kObjectiveBound)


@dataclass(frozen=True, slots=True)
class Solved:
    """The value of each column, and what they cost together."""

    values: Floats
    cost: float
    row_dual: Floats


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

    def solve(self, time_limit_s: float, gap: float = 0.0) -> Solved | None:
        """Return the cheapest values; None when there are none, or not within `time_limit_s`.

        A programme with whole columns stops at a relative distance of `gap` from its bound.
        """
        # The class below `highspy.Highs`: that one prints a banner to standard output.
        solver = _Highs()
        solver.setOptionValue("output_flag", False)  # noqa: FBT003
        solver.setOptionValue("time_limit", time_limit_s)
        solver.setOptionValue("mip_rel_gap", gap)
        solver.setOptionValue("threads", 1)
        self._pass_to(solver)
        solver.run()
        info = solver.getInfo()
        if solver.getModelStatus() not in GOOD and not self._has_incumbent(info):
            return None
        solution = solver.getSolution()
        return Solved(
            np.asarray(solution.col_value),
            float(info.objective_function_value),
            np.asarray(solution.row_dual),
        )

    def _has_incumbent(self, info: highspy.HighsInfo) -> bool:
        """Tell whether whole columns were found in time, if not the best ones."""
        feasible = int(highspy.SolutionStatus.kSolutionStatusFeasible)
        return bool(self._is_whole().any()) and int(info.primal_solution_status) == feasible

    def _is_whole(self) -> Floats:
        return np.concatenate(self.whole)

    def _pass_to(self, solver: _Highs) -> None:
        row = np.concatenate(self.entry_row)
        order = np.argsort(row, kind="stable")
        starts = np.searchsorted(row[order], np.arange(self.row_count + 1))
        whole = self._is_whole().astype(np.int32)
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
            whole if whole.any() else np.zeros(self.column_count, dtype=np.int32),
        )
