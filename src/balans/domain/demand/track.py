"""What is known of a single load, for those who ask from outside a pass; see `laws`."""

from balans.domain.demand import laws
from balans.domain.demand.arithmetic import ONE
from balans.domain.demand.model import Load, LoadState
from balans.domain.demand.rows import LoadRow


def remembered_wh(state: LoadState, time_s: float) -> float:
    """Return what still counts of the energy given up: half of it is forgotten after a day."""
    if state.given_wh <= 0:
        return 0.0
    return laws.faded(ONE, state.given_wh, state.since_s, time_s)  # type: ignore[no-any-return]


def rise_w(load: Load, state: LoadState) -> float:
    """Return by how much more a yellow load draws when its timer ends [W]."""
    return laws.rise_w(ONE, LoadRow(load, state, 0.0))  # type: ignore[no-any-return]


def come_back_w(load: Load, state: LoadState) -> float:
    """Return the power with which `load` will come back once it is switched on [W]."""
    return laws.come_back_w(ONE, LoadRow(load, state, 0.0))  # type: ignore[no-any-return]
