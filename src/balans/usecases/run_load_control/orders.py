"""A switching to be carried out, and why it may not be."""

from dataclasses import dataclass, replace
from enum import StrEnum

from balans.core.words import CommandState
from balans.protocols.hub import CommandReport
from balans.protocols.module import Switch

CONTROL = "dlm"
"""The author of load control's own orders."""
DEVICE = "device"
"""The author of switchings that an actuator did by itself: its timer, or a hand at the contact."""


POWER_MAX_W = 1e9
"""The wire holds no larger power."""


def clipped(power_w: float) -> float:
    """Return the nearest power that the wire holds [W]."""
    return max(-POWER_MAX_W, min(power_w, POWER_MAX_W))


class Detail(StrEnum):
    """Why a command waits, or ended as it did. What an actuator says is added after a colon."""

    RED_LOAD = "red_load"
    PROTECTED_LOAD = "protected_load"
    UNKNOWN_LOAD = "unknown_load"
    STATE_UNKNOWN = "state_unknown"
    MIN_ON_TIME = "min_on_time"
    NO_HEADROOM = "no_headroom"
    ALREADY_SO = "already_so"
    LATE = "arrived_expired"
    NO_CONFIRMATION = "no_confirmation"
    REFUSED = "refused"
    SUPERSEDED = "superseded"
    NOT_OBEYING = "not_obeying"


@dataclass(frozen=True, slots=True)
class Order:
    """A switching to be carried out. `expected_w` is the change of site power it should make."""

    id: str
    load: str
    on: bool
    author: str
    reason: str
    created_s: float
    expires_s: float
    setpoint_w: float | None = None
    max_off_s: float = 0.0
    limit: str = ""
    expected_w: float = 0.0

    @property
    def holds_back(self) -> bool:
        """Whether the load is to draw less than it wants."""
        return not self.on or self.setpoint_w is not None

    def earlier(self, by_s: float) -> "Order":
        """Return the order as given `by_s` earlier: the clock was set back by that."""
        return replace(self, created_s=self.created_s - by_s, expires_s=self.expires_s - by_s)

    def report(
        self,
        state: CommandState,
        time_s: float,
        detail: str = "",
        achieved_w: float | None = None,
    ) -> CommandReport:
        """Return the report that the order has entered `state`."""
        return CommandReport(
            id=self.id,
            load=self.load,
            on=self.on,
            author=self.author,
            reason=self.reason,
            created=max(0.0, self.created_s),  # a clock set back to 1970 leaves it before that
            expires=max(0.0, self.expires_s),
            state=state,
            time=max(0.0, time_s),
            limit=self.limit,
            expected_w=clipped(self.expected_w),
            detail=detail[:500],
            achieved_w=None if achieved_w is None else clipped(achieved_w),
        )

    def switch(self) -> Switch:
        """Return the message to the actuator."""
        return Switch(
            id=self.id,
            load=self.load,
            on=self.on,
            issued=max(0.0, self.created_s),
            expires=max(0.0, self.expires_s),
            max_off_s=self.max_off_s,
            author=self.author,
            reason=self.reason,
            setpoint_w=self.setpoint_w,
        )
