"""The rule of the Power-Load-Balancer for Home Assistant, written anew from its description.

Source: Power-Load-Balancer of 2026-02-25, its README and the two routines it names. What it says:

* Each new sample above the budget turns off **one** appliance: the least important one that is on,
  is not a "last resort" and was not turned off already, whatever it draws just now. Its power is
  taken off the estimate at once.
* Each new sample inside the budget turns on **one** of those turned off, the first whose power at
  the time it was turned off fits into what is left of the budget; one that drew nothing is passed.
* When an appliance is turned off a task is started. After the cool-down it turns the appliance on
  if that power fits then, and otherwise ends: it does not try again.

What we had to decide: importance is green before yellow, then the order of the loads; red is "last
resort". The cool-down is the one of its first releases, 10 s, which a step of a minute rounds up.
"""

from collections.abc import Sequence

from benchmarks.peers.switching import Board

from balans.core.words import LoadClass
from balans.domain.demand import Allowed, Decision, Load, LoadState, Observation

COOL_DOWN_S = 10.0


class PowerLoadBalancer:
    """A `Rule` with a memory: what each appliance drew when it was turned off.

    `balances_up` tells whether samples inside the budget turn appliances on; earlier releases
    knew the task only.
    """

    def __init__(self, cool_down_s: float = COOL_DOWN_S, *, balances_up: bool = True) -> None:
        self.cool_down_s, self.balances_up = cool_down_s, balances_up
        self._was_w: dict[int, float] = {}
        self._task_s: dict[int, float] = {}

    def __call__(
        self,
        loads: Sequence[Load],
        states: Sequence[LoadState],
        observation: Observation,
        allowed: Allowed,
    ) -> tuple[tuple[LoadState, ...], Decision]:
        """Return the states for the coming step and what is switched."""
        board = Board(loads, states, observation, allowed)
        self._run_tasks(board)
        if board.power_w > allowed.power_w:
            self._balance_down(board)
        elif self.balances_up:
            self._balance_up(board)
        return board.decision()

    def _balance_down(self, board: Board) -> None:
        order = sorted(
            board.switchable, key=lambda i: board.loads[i].load_class is not LoadClass.GREEN
        )
        for index in order:
            if board.is_on(index):
                self._was_w[index] = board.drawn_w[index]
                self._task_s[index] = board.time_s + self.cool_down_s
                board.off(index)
                return

    def _balance_up(self, board: Board) -> None:
        for index, was_w in self._was_w.items():
            left_w = board.allowed.power_w - board.power_w
            if not board.is_on(index) and 0 < was_w <= left_w:
                self._turn_on(board, index)
                return

    def _run_tasks(self, board: Board) -> None:
        """Let the tasks whose time has come try once."""
        due = [index for index, at_s in self._task_s.items() if at_s <= board.time_s]
        for index in due:
            del self._task_s[index]
            if self._was_w[index] <= board.allowed.power_w - board.power_w:
                self._turn_on(board, index)

    def _turn_on(self, board: Board, index: int) -> None:
        board.on(index, self._was_w.pop(index))
        self._task_s.pop(index, None)
