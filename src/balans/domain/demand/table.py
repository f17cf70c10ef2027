"""Thousands of loads of one tree as arrays: the same questions as `rows.Few`, answered at once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from balans.core.words import LoadClass
from balans.domain.demand.arithmetic import MANY, Arithmetic
from balans.domain.demand.laws import NAN
from balans.domain.demand.model import Hold, Load, LoadKind, LoadState, Recover
from balans.domain.demand.rooms import Channels, Rooms, shares_of
from balans.domain.demand.rows import Index, Law, Rows, may_be_touched
from balans.domain.demand.tree import NOWHERE, Tree, check_places

Floats = NDArray[np.float64]
STATE_COLUMNS = (
    "on", "since_s", "setpoint_w", "demand_w", "owed_wh", "gain", "fits_since_s", "given_wh",
    "low_since_s", "freed_s",
)  # fmt: skip


class Fleet:
    """Loads and their tree, prepared once for many passes.

    Raises
    ------
    TreeError
        If a load hangs from a node that is not in the tree.
    """

    def __init__(self, loads: Sequence[Load], tree: Tree) -> None:
        check_places(tree, [load.node for load in loads], "load")
        numbers = tree.numbers
        self.loads, self.tree = tuple(loads), tree
        self.nodes = [numbers[load.node] for load in loads]
        self.node_of = np.array(self.nodes, dtype=np.intp)
        self.columns = _configured(self.loads)
        self.shares = {
            flag: [shares_of(load, with_phases=flag) for load in loads] for flag in (False, True)
        }
        self.weights = {
            flag: (
                np.array([drawn for drawn, _ in shares]).reshape(len(loads), -1),
                np.array([worst for _, worst in shares]).reshape(len(loads), -1),
            )
            for flag, shares in self.shares.items()
        }

    def __len__(self) -> int:
        return len(self.loads)


def _configured(loads: Sequence[Load]) -> dict[str, NDArray[Any]]:
    """Return what the configuration says of the loads; the flags are those of `rows.LoadRow`."""

    def flags(values: Sequence[bool]) -> NDArray[np.bool_]:
        return np.array(values, dtype=np.bool_)

    numbers = {
        name: np.array([getattr(load, name) or 0.0 for load in loads], dtype=np.float64)
        for name in ("rated_w", "max_off_s", "min_on_s", "min_w", "max_w", "deadline_s")
    }
    green = flags([load.load_class is LoadClass.GREEN for load in loads])
    cycle = flags([load.kind is LoadKind.CYCLE for load in loads])
    modulating = flags([load.kind is LoadKind.MODULATING for load in loads])
    limited = green & flags([load.deadline_s is not None for load in loads])
    never_off = modulating & (numbers["min_w"] < 0)
    return numbers | {
        "is_green": green,
        "is_yellow": flags([load.load_class is LoadClass.YELLOW for load in loads]),
        "touchable": flags([may_be_touched(load) for load in loads]),
        "defers": flags([load.recover is Recover.DEFER for load in loads]),
        "has_deadline": limited & ~cycle,
        "starts_by": limited & cycle,
        "is_modulating": modulating,
        "is_cycle": cycle,
        "never_off": never_off,
        "is_battery": never_off & (numbers["max_w"] > 0),
        "is_production": never_off & (numbers["max_w"] <= 0),
    }


class StateTable:
    """The states of all loads of a fleet as arrays, shape (n,); wishes by number of the load."""

    def __init__(self, columns: dict[str, NDArray[Any]], holds: dict[int, Hold]) -> None:
        self.columns, self.holds = columns, holds

    @classmethod
    def fresh(cls, count: int) -> "StateTable":
        """Return states of loads that are on and free."""
        return cls.of([LoadState()] * count)

    @classmethod
    def of(cls, states: Sequence[LoadState]) -> "StateTable":
        """Return `states` as a table."""
        columns: dict[str, NDArray[Any]] = {
            name: np.array([_number(getattr(state, name)) for state in states], dtype=np.float64)
            for name in STATE_COLUMNS[1:]
        }
        columns["on"] = np.array([state.on for state in states], dtype=np.bool_)
        holds = {i: state.hold for i, state in enumerate(states) if state.hold}
        return cls(columns, holds)

    def __len__(self) -> int:
        return len(self.columns["on"])

    def states(self) -> tuple[LoadState, ...]:
        """Return the states one by one."""
        lists = [self.columns[name].tolist() for name in STATE_COLUMNS]
        lists[2] = [_given(value) for value in lists[2]]
        holds = map(self.holds.get, range(len(self)))
        # The wish stands among the fields of a state, but is no column.
        rows = zip(*lists[:8], holds, *lists[8:], strict=True)
        return tuple(LoadState(*row) for row in rows)

    @property
    def is_quiet(self) -> bool:
        """Whether every load is free."""
        kept = self.columns
        is_free = kept["on"] & np.isnan(kept["setpoint_w"]) & (kept["owed_wh"] <= 0)
        return not self.holds and bool(is_free.all())


def _given(value: float) -> float | None:
    return None if value != value else value  # noqa: PLR0124  (NaN)


def _number(value: float | None) -> float:
    return NAN if value is None else value


class _View:
    """Some rows of a table; each column is cut when it is asked for."""

    __slots__ = ("_columns", "_index")

    def __init__(self, columns: dict[str, NDArray[Any]], index: Any) -> None:
        object.__setattr__(self, "_columns", columns)
        object.__setattr__(self, "_index", index)

    def __getattr__(self, name: str) -> Any:
        return self._columns[name][self._index]


class _Cell(_View):
    """One row of a table: its values are plain numbers and can be set."""

    __slots__ = ()

    @override
    def __getattr__(self, name: str) -> Any:
        return self._columns[name].item(self._index)

    @override
    def __setattr__(self, name: str, value: Any) -> None:
        self._columns[name][self._index] = value


class Table(Rows):
    """The loads of a large tree in a pass."""

    m: Arithmetic = MANY

    def __init__(
        self, fleet: Fleet, states: StateTable, time_s: float, *, with_phases: bool
    ) -> None:
        count = len(fleet)
        self.fleet = fleet
        self.holds = {i: hold for i, hold in states.holds.items() if hold.until_s > time_s}
        self.columns = fleet.columns | {name: col.copy() for name, col in states.columns.items()}
        for name in ("measured_w", "expected_w", "moved_w", "planned_w", "credit_wh"):
            self.columns[name] = np.full(count, NAN)
        for name in ("returned", "has_hold", "hold_on"):
            self.columns[name] = np.zeros(count, dtype=np.bool_)
        for i, hold in self.holds.items():
            self.columns["has_hold"][i], self.columns["hold_on"][i] = True, hold.on
        self.shares = fleet.shares[with_phases]
        self.drawn_share, self.worst_share = fleet.weights[with_phases]
        self.all: Index = np.arange(count)
        self.any_modulating = bool(self.columns["is_modulating"].any())
        self.any_cycle = bool(self.columns["is_cycle"].any())
        self.any_hold = bool(self.holds)

    def _view(self, index: Index) -> _View:
        return _View(self.columns, slice(None) if index is self.all else index)

    @override
    def where(self, law: Law, index: Index, *args: Any) -> Index:
        return index[law(MANY, self._view(index), *args)]

    @override
    def each(self, law: Law, index: Index, *args: Any, columns: Sequence[Any] = ()) -> Any:
        arrays = [np.asarray(column) for column in columns]
        return law(MANY, self._view(index), *arrays, *args)

    @override
    def assign(
        self, names: Sequence[str], law: Law, index: Index, *args: Any, columns: Sequence[Any] = ()
    ) -> None:
        for name, values in zip(names, self.each(law, index, *args, columns=columns), strict=True):
            self.columns[name][index] = values

    @override
    def put(self, name: str, index: Index, values: Any) -> None:
        self.columns[name][index] = values

    @override
    def one(self, number: int) -> Any:
        return _Cell(self.columns, number)

    @override
    def pick(self, index: Index, flags: Any) -> Index:
        return index[np.asarray(flags, dtype=np.bool_)]

    @override
    def sums(self, index: Index, values: Any, count: int) -> list[list[float]]:
        nodes, weights = self.fleet.node_of[index], self.drawn_share[index]
        by_channel = [
            np.bincount(nodes, weights=values * weights[:, channel], minlength=count)
            for channel in range(weights.shape[1])
        ]
        total: list[list[float]] = np.stack(by_channel, axis=1).tolist()
        return total

    @override
    def headrooms(
        self, index: Index, rooms: Rooms, spare: Sequence[Channels] | None
    ) -> tuple[Any, Any]:
        nodes, worst = self.fleet.node_of[index], self.worst_share[index]
        site = np.array(rooms.room[0])
        if spare:
            site = site - np.array(spare[0])
        inner = rooms.least_over_path(spare)[nodes]
        return _least(inner, worst), _least(np.broadcast_to(site, inner.shape), worst)

    @override
    def places(self, index: Index, by_node: Sequence[Any]) -> Any:
        return np.array(by_node)[self.fleet.node_of[index]]

    @override
    def below(self, index: Index, above: Sequence[int]) -> tuple[Index, list[int]]:
        places = np.array(above)[self.fleet.node_of[index]]
        is_below = places != NOWHERE
        return index[is_below], places[is_below].tolist()

    @override
    def node(self, number: int) -> int:
        return self.fleet.nodes[number]

    @override
    def share(self, number: int) -> tuple[Channels, Channels]:
        return self.shares[number]

    def states_after(self) -> StateTable:
        """Return the states as they are now."""
        return StateTable({name: self.columns[name] for name in STATE_COLUMNS}, self.holds)


def _least(room_w: Floats, weight: Floats) -> Floats:
    """Return what a load may draw by the tightest channel, shape (n,); weight 0 is no tie."""
    left = np.divide(room_w, weight, out=np.full(room_w.shape, np.inf), where=weight > 0)
    return np.asarray(left.min(axis=1), dtype=np.float64)
