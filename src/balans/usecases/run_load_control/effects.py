"""What switchings achieve, measured: so that each can be explained, and a futile one be seen.

Theory of operation
-------------------
A switching is *pending* from its order on, with the sample before it. Once its actuator has
confirmed it, the first sample whose step began after that tells the effect:

- a load with a meter of its own: its power after, less its power before;
- other loads: the power of the site (or of the load's node, where that has a meter) after, less
  before, less what loads with a meter of their own changed meanwhile. Where several such loads
  were switched between the same samples they share that in proportion to what was expected. Where
  one came back while another was shed a sum tells nothing of either, and nothing is reported.

The rest of the site moves too, so the second is a measurement with the noise of a whole house;
the first has none. No effect is larger than the wire holds.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from balans.core.words import CommandState
from balans.domain.demand.model import NEVER
from balans.protocols.hub import CommandReport
from balans.usecases.run_load_control.orders import Order, clipped
from balans.usecases.run_load_control.sensing import Reading

EARLY_SHARE = 0.1
"""A switching within this share of a step after its begin counts as before it."""
PENDING_STEPS = 5
"""Without a usable sample for so many steps the effect stays unknown."""


@dataclass(frozen=True, slots=True)
class Effect:
    """A switching and what came of it.

    `load_w` is what the load drew in the sample before, `place_w` the power at the nearest
    `place` with a meter: the load's node, or "" the site.
    """

    order: Order
    load_w: float | None = None
    place: str = ""
    place_w: float | None = None
    before_s: float = NEVER
    confirmed_s: float | None = None
    achieved_w: float | None = None


@dataclass(slots=True)
class Effects:
    """The effects that are measured now, and the last one of each load.

    Parameters
    ----------
    pending, last
        By load; they outlive a restart.
    """

    pending: dict[str, Effect] = field(default_factory=dict)
    last: dict[str, Effect] = field(default_factory=dict)

    def ordered(self, order: Order, sample: Reading | None, node: str) -> None:
        """Begin to measure the effect of `order`, given after `sample`."""
        effect = Effect(order)
        if sample is not None:
            place = node if sample.node_w.get(node) is not None else ""
            load_w = sample.load_w.get(order.load)
            effect = Effect(order, load_w, place, _power_w(sample, place), sample.time)
        self.pending[order.load] = effect
        self.last[order.load] = effect

    def confirmed(self, order: Order, at_s: float) -> None:
        """Note that the actuator carried `order` out at `at_s`."""
        effect = self.pending.get(order.load)
        if effect and effect.order.id == order.id:
            self.pending[order.load] = replace(effect, confirmed_s=at_s)

    def failed(self, load: str) -> None:
        """Forget what will have no effect."""
        self.pending.pop(load, None)

    def measure(self, sample: Reading, now_s: float) -> list[CommandReport]:
        """Return the reports of the effects that `sample` shows."""
        begin_s = sample.time - sample.step_s * (1 - EARLY_SHARE)
        ripe = [
            effect
            for effect in self.pending.values()
            if effect.confirmed_s is not None and effect.confirmed_s <= begin_s
        ]
        reports = []
        metered_w = _metered(ripe, sample)
        for effect in ripe:
            achieved_w = metered_w.get(effect.order.load)
            if achieved_w is None:
                achieved_w = _shared(effect, ripe, metered_w, sample)
            reports += self._finish(effect, achieved_w, now_s)
        self._give_up(now_s, sample.step_s)
        return reports

    def _finish(
        self, effect: Effect, achieved_w: float | None, now_s: float
    ) -> list[CommandReport]:
        order = effect.order
        del self.pending[order.load]
        if achieved_w is None:
            return []
        achieved_w = clipped(achieved_w)
        self.last[order.load] = replace(effect, achieved_w=achieved_w)
        at_s = effect.confirmed_s if effect.confirmed_s is not None else now_s
        return [order.report(CommandState.CONFIRMED, at_s, achieved_w=achieved_w)]

    def _give_up(self, now_s: float, step_s: float) -> None:
        over = [
            load
            for load, effect in self.pending.items()
            if now_s - effect.order.created_s > PENDING_STEPS * step_s
        ]
        for load in over:
            del self.pending[load]

    def rebase(self, back_s: float) -> None:
        """Follow a clock that was set back by `back_s`."""
        for known in (self.pending, self.last):
            for load, effect in known.items():
                confirmed_s = effect.confirmed_s
                known[load] = replace(
                    effect,
                    order=effect.order.earlier(back_s),
                    before_s=effect.before_s - back_s,
                    confirmed_s=None if confirmed_s is None else confirmed_s - back_s,
                )


def _metered(ripe: Iterable[Effect], sample: Reading) -> dict[str, float]:
    """Return the effect on each load that has a meter of its own [W]."""
    return {
        effect.order.load: sample.load_w[effect.order.load] - effect.load_w
        for effect in ripe
        if effect.load_w is not None and effect.order.load in sample.load_w
    }


def _shared(
    effect: Effect, ripe: Iterable[Effect], metered_w: dict[str, float], sample: Reading
) -> float | None:
    """Return this load's part of what changed at its place; None where nothing tells [W]."""
    after_w = _power_w(sample, effect.place)
    if after_w is None or effect.place_w is None:
        return None
    beside = [
        other
        for other in ripe
        if other.before_s == effect.before_s and effect.place in {other.place, ""}
    ]
    change_w = after_w - effect.place_w - sum(metered_w.get(o.order.load, 0.0) for o in beside)
    expected_w = [o.order.expected_w for o in beside if o.order.load not in metered_w]
    if len(expected_w) == 1:
        return change_w
    if min(expected_w) < 0 < max(expected_w) or not any(expected_w):
        return None
    return change_w * effect.order.expected_w / sum(expected_w)


def _power_w(sample: Reading, place: str) -> float | None:
    return sample.node_w.get(place) if place else sample.site_w
