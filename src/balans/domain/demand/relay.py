"""Control by an over-current relay: a single bit, over or not.

How far over is not known. While the bit is set the excess over the relay's threshold is taken for a
twentieth of it at first, and for twice as much at each further step, so that a small overload
costs few loads and a large one is met within some steps. While it is not set there may be room or
not; the only way to find out is to let something back: a *probe*. It is made when the bit has been
clear for the waiting time. If the bit is set soon after, the probe has failed and the waiting time
doubles; if not, it is halved.
"""

from dataclasses import dataclass, replace

from balans.domain.demand.model import Decision, Reason

FIRST_SHARE = 0.05
"""The excess taken for true at first, as a share of the threshold."""
LEAST_EXCESS_W = 100.0
"""The least that is taken for it [W]."""
WAIT_S, WAIT_MAX_S = 120.0, 1800.0
"""The bit must have been clear this long before a probe: 2 min, doubled to half an hour."""
PROOF_S = 300.0
"""A bit that is set within this time after a probe was set by it."""
BACK = frozenset({Reason.HEADROOM_BACK, Reason.NIGHT_ZONE, Reason.STAGGER, Reason.PLAN})


@dataclass(frozen=True, slots=True)
class RelaySense:
    """What is known by the bit.

    excess_w
        By how much the site is taken to be over; 0 while the bit is clear.
    clear_s
        Since when the bit is clear, or nothing has come back; None while it is set.
    wait_s
        How long it must be clear before a probe.
    probe_s
        When something was let back last, to be proved; None: nothing is open.
    """

    excess_w: float = 0.0
    clear_s: float | None = None
    wait_s: float = WAIT_S
    probe_s: float | None = None


def sense(
    relay: RelaySense,
    *,
    is_over: bool | None,
    time_s: float,
    threshold_w: float,
    allowed_w: float,
    probe_w: float,
) -> tuple[RelaySense, float | None]:
    """Return what is known after the bit was read, and the power to be taken for the site's [W].

    Parameters
    ----------
    is_over
        The bit; None: the relay is silent, and so is the result.
    threshold_w
        What the relay is set to.
    allowed_w
        What the site may draw; where that is less than the threshold the bit tells nothing of it,
        and the result is no more than that there is no room.
    probe_w
        The room to be claimed for a probe: what the load that would come back next draws.
    """
    if is_over is None:
        return relay, None
    if is_over:
        excess_w = max(2 * relay.excess_w, FIRST_SHARE * threshold_w, LEAST_EXCESS_W)
        wait_s = relay.wait_s
        if relay.probe_s is not None and time_s - relay.probe_s <= PROOF_S:
            wait_s = min(WAIT_MAX_S, 2 * wait_s)
        return RelaySense(excess_w, None, wait_s), threshold_w + excess_w
    if relay.probe_s is not None and time_s - relay.probe_s > PROOF_S:
        relay = replace(relay, wait_s=max(WAIT_S, relay.wait_s / 2), probe_s=None)
    clear_s = time_s if relay.clear_s is None else relay.clear_s
    relay = replace(relay, excess_w=0.0, clear_s=clear_s)
    may_probe = relay.probe_s is None and time_s - clear_s >= relay.wait_s
    full_w = min(allowed_w, threshold_w)
    return relay, full_w - probe_w if may_probe else full_w


def after_pass(relay: RelaySense, decision: Decision, time_s: float) -> RelaySense:
    """Return what is known after a pass: a load that was let back is a probe."""
    if any(action.on and action.reason in BACK for action in decision.actions):
        return replace(relay, probe_s=time_s, clear_s=time_s)
    return relay
