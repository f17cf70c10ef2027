"""Plan an event at a whole place: its own controller decides which of its loads serve when."""

from math import hypot

from balans.domain.response.spread import waited_out_s
from balans.usecases.event_plan import SLOT_S, EventPlan, Offer, Part, Planned

RESTING_SHARE = 0.5
"""Yellow rests as long as it was off, so over a long time it gives half of what it draws."""


def plan_whole(plan: EventPlan, offer: Offer) -> Planned:
    """Return the plan of an event that asks one place for a limit, for all of its time.

    Expected is what is wanted, as far as the place can give it: its green loads all the time, its
    yellow loads while they bear to be off, and half of that once they have to take turns. The
    standard deviation is that of what its loads draw. While starts are spread, as much less is
    expected: the place begins somewhere in that time. What the limit could cut beyond what is
    wanted is told beside it: however little is wanted, the limit is what the gateway holds.
    """
    start_s, end_s = plan.steps[0].start_s, plan.steps[-1].end_s
    slots = max(1, round((end_s - start_s) / SLOT_S))
    slot_s = (end_s - start_s) / slots
    wanted_w = float("inf") if plan.wanted_w is None else plan.wanted_w
    expected_w, sd_w, missing_w, bound_w = [], [], [], 0.0
    for slot in range(slots):
        middle_s = (slot + 0.5) * slot_s
        value = next(
            (s.value for s in plan.steps if s.start_s <= start_s + middle_s < s.end_s), None
        )
        share = 1.0 if middle_s < offer.yellow_off_s else RESTING_SHARE
        most_w = offer.green.mean_w + share * offer.yellow.mean_w
        if offer.base_w is not None and value is not None:
            most_w = min(most_w, max(offer.base_w - value, 0.0))
        begun = _begun(plan, start_s + slot * slot_s, slot_s)
        given_w = 0.0 if value is None else begun * min(wanted_w, most_w)
        bound_w = bound_w if value is None else max(bound_w, most_w)
        expected_w.append(given_w)
        sd_w.append(begun * hypot(offer.green.sd_w, share * offer.yellow.sd_w) if given_w else 0.0)
        lacks = plan.wanted_w is not None and value is not None
        missing_w.append(begun * wanted_w - given_w if lacks else 0.0)
    given = [power for power in expected_w if power > 0]
    mean_w = sum(given) / len(given) if given else 0.0
    part = Part(offer.name, plan.steps, mean_w, max(sd_w, default=0.0))
    return Planned(
        parts=(part,),
        start_s=start_s,
        slot_s=slot_s,
        expected_w=tuple(expected_w),
        sd_w=tuple(sd_w),
        missing_w=tuple(missing_w),
        discomfort=0.0,
        bound_w=bound_w,
    )


def _begun(plan: EventPlan, slot_start_s: float, slot_s: float) -> float:
    """Return with what share of a slot the place has begun, in the mean of its possible delays."""
    ends = {one.end_s for one in plan.steps}
    begins = [one.start_s for one in plan.steps if one.start_s not in ends]
    since_s = slot_start_s - max(one for one in begins if one < slot_start_s + slot_s)
    before_s, after_s = waited_out_s([since_s, since_s + slot_s], plan.start_spread_s).tolist()
    return float(min((after_s - before_s) / slot_s, 1.0))
