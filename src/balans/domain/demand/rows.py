"""The loads of a pass as single rows; `table.Table` is the same for thousands of loads.

Both answer the same questions, so that the pass is written once (`reflex`), and both apply the
same laws (`laws`). The list is for sites of some ten loads, where numpy would cost more than it
saves.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from typing_extensions import override

from balans.core.words import LoadClass
from balans.domain.demand.arithmetic import ONE, Arithmetic
from balans.domain.demand.laws import NAN
from balans.domain.demand.model import Load, LoadKind, LoadState, Recover
from balans.domain.demand.rooms import Channels, Rooms, shares_of
from balans.domain.demand.tree import NOWHERE

Law = Callable[..., Any]
Index = Any
"""Which loads: a list of their numbers, or an array of them."""


class Rows(Protocol):
    """What a pass asks of its loads."""

    m: Arithmetic
    all: Index
    any_modulating: bool
    any_cycle: bool
    any_hold: bool

    def where(self, law: Law, index: Index, *args: Any) -> Index:
        """Return those of `index` for which `law` holds."""

    def each(self, law: Law, index: Index, *args: Any, columns: Sequence[Any] = ()) -> Any:
        """Return the value of `law` for each of `index`, given the values of `columns` too."""

    def assign(
        self, names: Sequence[str], law: Law, index: Index, *args: Any, columns: Sequence[Any] = ()
    ) -> None:
        """Set what is called `names` of each of `index` to the values that `law` returns."""

    def put(self, name: str, index: Index, values: Any) -> None:
        """Set what is called `name` to a value for each of `index`."""

    def one(self, number: int) -> Any:
        """Return one load as a row that can be read and written."""

    def pick(self, index: Index, flags: Any) -> Index:
        """Return those of `index` whose flag is set."""

    def sums(self, index: Index, values: Any, count: int) -> list[list[float]]:
        """Return sums of `values` of the loads `index` by node (of `count`) and channel."""

    def headrooms(
        self, index: Index, rooms: Rooms, spare: Sequence[Channels] | None
    ) -> tuple[Any, Any]:
        """Return how much more each load could draw: by the nodes below the site, by the site."""

    def places(self, index: Index, by_node: Sequence[Any]) -> Any:
        """Return the value of `by_node` at the node of each load."""

    def below(self, index: Index, above: Sequence[int]) -> tuple[Index, list[int]]:
        """Return those of `index` whose node has a number in `above`, and that number of each."""

    def node(self, number: int) -> int:
        """Return the node of a load."""

    def share(self, number: int) -> tuple[Channels, Channels]:
        """Return what a watt of a load weighs in each channel, drawn and at worst."""


class LoadRow:
    """One load with what is known of it, as plain numbers; absent ones are NaN."""

    __slots__ = (
        "credit_wh",
        "deadline_s",
        "defers",
        "demand_w",
        "expected_w",
        "fits_since_s",
        "freed_s",
        "gain",
        "given_wh",
        "has_deadline",
        "has_hold",
        "hold_on",
        "is_battery",
        "is_cycle",
        "is_green",
        "is_modulating",
        "is_production",
        "is_yellow",
        "low_since_s",
        "max_off_s",
        "max_w",
        "measured_w",
        "min_on_s",
        "min_w",
        "moved_w",
        "never_off",
        "on",
        "owed_wh",
        "planned_w",
        "rated_w",
        "returned",
        "setpoint_w",
        "since_s",
        "starts_by",
        "touchable",
    )  # fmt: skip

    credit_wh: float
    measured_w: float
    expected_w: float
    moved_w: float
    planned_w: float

    def __init__(self, load: Load, state: LoadState, time_s: float) -> None:
        self.configure(load)
        hold = state.hold if state.hold and state.hold.until_s > time_s else None
        self.on = state.on
        self.since_s = state.since_s
        self.setpoint_w = NAN if state.setpoint_w is None else state.setpoint_w
        self.demand_w = state.demand_w
        self.owed_wh = state.owed_wh
        self.gain = state.gain
        self.fits_since_s = state.fits_since_s
        self.given_wh = state.given_wh
        self.low_since_s = state.low_since_s
        self.freed_s = state.freed_s
        self.has_hold = hold is not None
        self.hold_on = hold is not None and hold.on
        self.measured_w = self.planned_w = self.credit_wh = NAN
        self.expected_w = self.moved_w = 0.0
        self.returned = False

    def configure(self, load: Load) -> None:
        """Take over what the configuration says."""
        modulating, cycle = load.kind is LoadKind.MODULATING, load.kind is LoadKind.CYCLE
        green = load.load_class is LoadClass.GREEN
        limited = green and load.deadline_s is not None
        self.rated_w = load.rated_w
        self.max_off_s = load.max_off_s
        self.min_on_s = load.min_on_s
        self.min_w = load.min_w
        self.max_w = load.max_w
        self.deadline_s = load.deadline_s or 0
        self.is_green = green
        self.is_yellow = load.load_class is LoadClass.YELLOW
        self.touchable = may_be_touched(load)
        self.defers = load.recover is Recover.DEFER
        self.has_deadline = limited and not cycle
        self.starts_by = limited and cycle
        self.is_modulating = modulating
        self.is_cycle = cycle
        self.never_off = modulating and load.min_w < 0
        self.is_battery = self.never_off and load.max_w > 0
        self.is_production = self.never_off and load.max_w <= 0

    def state(self, old: LoadState) -> LoadState:
        """Return the state now; the same object where nothing has changed."""
        setpoint_w = None if self.setpoint_w != self.setpoint_w else self.setpoint_w
        new = LoadState(
            self.on,
            self.since_s,
            setpoint_w,
            self.demand_w,
            self.owed_wh,
            self.gain,
            self.fits_since_s,
            self.given_wh,
            old.hold if self.has_hold else None,
            self.low_since_s,
            self.freed_s,
        )
        return old if new == old else new


def may_be_touched(load: Load) -> bool:
    """Tell whether control may ever switch `load`: not red, released, and not protected."""
    return load.load_class is not LoadClass.RED and load.released and not load.protected


class Few(Rows):
    """The loads of a small site as a list of rows."""

    m: Arithmetic = ONE

    def __init__(
        self,
        loads: Sequence[Load],
        states: Sequence[LoadState],
        nodes: Sequence[int],
        time_s: float,
        *,
        with_phases: bool,
    ) -> None:
        self.rows = [
            LoadRow(load, state, time_s) for load, state in zip(loads, states, strict=True)
        ]
        self.states = states
        self.nodes = nodes
        self.shares = [shares_of(load, with_phases=with_phases) for load in loads]
        self.channels = 4 if with_phases else 1
        self.all: Index = range(len(self.rows))
        self.any_modulating = any(row.is_modulating for row in self.rows)
        self.any_cycle = any(row.is_cycle for row in self.rows)
        self.any_hold = any(row.has_hold for row in self.rows)

    @override
    def where(self, law: Law, index: Index, *args: Any) -> Index:
        rows = self.rows
        return [i for i in index if law(ONE, rows[i], *args)]

    @override
    def each(self, law: Law, index: Index, *args: Any, columns: Sequence[Any] = ()) -> Any:
        rows = self.rows
        if not columns:
            return [law(ONE, rows[i], *args) for i in index]
        beside = zip(*columns, strict=True)
        return [law(ONE, rows[i], *values, *args) for i, values in zip(index, beside, strict=True)]

    @override
    def assign(
        self, names: Sequence[str], law: Law, index: Index, *args: Any, columns: Sequence[Any] = ()
    ) -> None:
        for i, values in zip(index, self.each(law, index, *args, columns=columns), strict=True):
            row = self.rows[i]
            for name, value in zip(names, values, strict=True):
                setattr(row, name, value)

    @override
    def put(self, name: str, index: Index, values: Any) -> None:
        for i, value in zip(index, values, strict=True):
            setattr(self.rows[i], name, value)

    @override
    def one(self, number: int) -> Any:
        return self.rows[number]

    @override
    def pick(self, index: Index, flags: Any) -> Index:
        return [i for i, flag in zip(index, flags, strict=True) if flag]

    @override
    def sums(self, index: Index, values: Any, count: int) -> list[list[float]]:
        total = [[0.0] * self.channels for _ in range(count)]
        for i, value in zip(index, values, strict=True):
            row = total[self.nodes[i]]
            for channel, part in enumerate(self.shares[i][0]):
                row[channel] += value * part
        return total

    @override
    def headrooms(
        self, index: Index, rooms: Rooms, spare: Sequence[Channels] | None
    ) -> tuple[Any, Any]:
        found = [rooms.headroom_w(self.nodes[i], self.shares[i][1], spare) for i in index]
        return [inner for inner, _ in found], [site for _, site in found]

    @override
    def places(self, index: Index, by_node: Sequence[Any]) -> Any:
        return [by_node[self.nodes[i]] for i in index]

    @override
    def below(self, index: Index, above: Sequence[int]) -> tuple[Index, list[int]]:
        places = [above[self.nodes[i]] for i in index]
        kept = [i for i, place in zip(index, places, strict=True) if place != NOWHERE]
        return kept, [place for place in places if place != NOWHERE]

    @override
    def node(self, number: int) -> int:
        return self.nodes[number]

    @override
    def share(self, number: int) -> tuple[Channels, Channels]:
        return self.shares[number]

    def states_after(self) -> tuple[LoadState, ...]:
        """Return the states as they are now; the same objects where nothing has changed."""
        return tuple(row.state(old) for row, old in zip(self.rows, self.states, strict=True))
