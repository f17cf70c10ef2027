"""The rule of VOLTTRON's Intelligent Load Control (ILC), written anew from its description.

Sources: PNNL-26034; NIST TN 2017r1 for the ranking; the main module of the agent at 68aedb2 for the
order of its states and the defaults (control time 15 min, average over 15, confirmed every 5). What
they say:

* Power is smoothed over the window: ``sum a (1 - a)^n`` over the samples, newest first, with
  ``a = 4 / (samples + 1)``, at most 1; at least 5 samples are needed.
* *Inactive*: above limit + threshold, loads are curtailed in the order of their score until their
  nominal power covers what the average is above the limit; then *holding* for the control time.
* *Holding*: when the confirm time has passed and the average is still above, more are curtailed and
  the control time begins anew. When it ends with the average no longer above, *releasing*.
* *Releasing*: groups of loads, in reverse order of score, spread over the release time; above limit
  + threshold again, back to curtailing. After the last: inactive.
* The score is an analytic hierarchy process: criteria are weighed against each other in pairs, the
  weight of each is the mean of its row after every column was divided by its sum, and a matrix with
  a consistency ratio above 0.2 is refused. Each load's score is the weighted sum of its criteria,
  each divided by the largest among the loads.

What we had to decide: the criteria are the class (green 2, yellow 1), the power drawn now, and the
time since the load was last curtailed. The threshold, 5 kW on a building, is 5 % of the limit. The
nominal power is the rated one. Loads that draw nothing are curtailed like any other, as there.
"""

from collections import deque
from collections.abc import Sequence

import numpy as np
from benchmarks.peers.switching import Board
from numpy.typing import NDArray

from balans.core.errors import InputError
from balans.core.words import LoadClass
from balans.domain.demand import Allowed, Decision, Load, LoadState, Observation

Floats = NDArray[np.float64]
CONTROL_S, WINDOW_S, CONFIRM_S, RELEASE_S = 900.0, 900.0, 300.0, 900.0
FEWEST_SAMPLES = 5
MOST_INCONSISTENT = 0.2
RANDOM_INDEX = (0.0, 0.0, 0.58, 0.90, 1.12, 1.24, 1.32, 1.41, 1.45)
"""Consistency of random matrices of 1 to 9 criteria (Saaty 1980)."""
PAIRS = ((1.0, 3.0, 5.0), (1 / 3, 1.0, 2.0), (1 / 5, 1 / 2, 1.0))
"""Class against power drawn against time since the last turn."""


def weights_of(pairs: Sequence[Sequence[float]]) -> Floats:
    """Return the weights of criteria compared in pairs.

    Raises
    ------
    InputError
        If the comparisons contradict each other.

    >>> weights_of([[1, 3], [1 / 3, 1]]).round(3).tolist()
    [0.75, 0.25]
    """
    matrix = np.array(pairs, dtype=np.float64)
    sums = matrix.sum(axis=0)
    weights: Floats = (matrix / sums).mean(axis=1)
    count = len(matrix)
    if count > 2:
        largest = float(sums @ weights)
        ratio = (largest - count) / (count - 1) / RANDOM_INDEX[count - 1]
        if ratio > MOST_INCONSISTENT:
            raise InputError(f"pairs: consistency ratio {ratio:.2f}, expected at most 0.2")
    return weights


def smoothed(samples: Sequence[float]) -> float:
    """Return the exponential average of `samples`, oldest first.

    >>> smoothed([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 8.0])
    4.0
    """
    share = min(1.0, 4.0 / (len(samples) + 1.0))
    average = samples[0]
    for sample in samples:
        average += share * (sample - average)
    return average


class LoadControl:
    """A `Rule` with a memory; it has to be asked at every step.

    `threshold_share` is the threshold as a share of the limit.
    """

    def __init__(
        self, threshold_share: float = 0.05, pairs: Sequence[Sequence[float]] = PAIRS
    ) -> None:
        self.threshold_share = threshold_share
        self.weights = weights_of(pairs)
        self.state = "inactive"
        self.curtailed: list[int] = []
        self._samples: deque[float] = deque()
        self._action_end_s = self._next_confirm_s = self._next_release_s = 0.0
        self._group = 1
        self._last_s: dict[int, float] = {}
        self._begin_s = float("inf")

    def __call__(
        self,
        loads: Sequence[Load],
        states: Sequence[LoadState],
        observation: Observation,
        allowed: Allowed,
    ) -> tuple[tuple[LoadState, ...], Decision]:
        """Return the states for the coming step and what is switched."""
        board = Board(loads, states, observation, allowed)
        self._begin_s = min(self._begin_s, board.time_s - observation.step_s)
        average_w = self._average(observation)
        if average_w is None:
            return board.decision()
        if average_w > allowed.power_w * (1 + self.threshold_share):
            if self.state == "inactive" or board.time_s >= self._next_confirm_s:
                self._curtail(board, average_w - allowed.power_w)
        elif self.state == "holding" and board.time_s >= self._action_end_s:
            self._begin_release(board)
        elif self.state == "releasing" and board.time_s >= self._next_release_s:
            self._release(board)
        return board.decision()

    def _average(self, seen: Observation) -> float | None:
        if seen.site_w is not None:
            self._samples.append(seen.site_w)
        while len(self._samples) > max(FEWEST_SAMPLES, WINDOW_S // seen.step_s):
            self._samples.popleft()
        return smoothed(tuple(self._samples)) if len(self._samples) >= FEWEST_SAMPLES else None

    def _curtail(self, board: Board, need_w: float) -> None:
        """Switch off by score until the nominal power covers `need_w`."""
        free = [i for i in board.switchable if i not in self.curtailed and board.is_on(i)]
        if not free:
            return
        estimate_w = 0.0
        for index in self.ranked(board, free):
            board.off(index)
            self.curtailed.append(index)
            self._last_s[index] = board.time_s
            estimate_w += board.loads[index].rated_w
            if estimate_w >= need_w:
                break
        self.state = "holding"
        self._action_end_s = board.time_s + CONTROL_S
        self._next_confirm_s = board.time_s + CONFIRM_S

    def ranked(self, board: Board, places: Sequence[int]) -> list[int]:
        """Return `places` by score, the highest first."""
        criteria = np.array(
            [
                [2.0 if board.loads[i].load_class is LoadClass.GREEN else 1.0 for i in places],
                [max(0.0, board.drawn_w[i]) for i in places],
                [board.time_s - self._last_s.get(i, self._begin_s) for i in places],
            ]
        )
        largest = criteria.max(axis=1, keepdims=True)
        score = self.weights @ np.divide(
            criteria, largest, out=np.zeros_like(criteria), where=largest > 0
        )
        return [places[i] for i in np.argsort(-score, kind="stable")]

    def _begin_release(self, board: Board) -> None:
        """Form groups so that all are back within the release time."""
        steps = int(RELEASE_S // CONFIRM_S) + 1
        self._group = max(1, -(-len(self.curtailed) // steps))
        self.state = "releasing"
        self._release(board)

    def _release(self, board: Board) -> None:
        """Switch a group on, the lowest score first."""
        order = self.ranked(board, self.curtailed)[::-1]
        for index in order[: self._group]:
            board.on(index, board.loads[index].rated_w)
            self.curtailed.remove(index)
        self._next_release_s = board.time_s + CONFIRM_S
        if not self.curtailed:
            self.state = "inactive"
