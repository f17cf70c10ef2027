"""How a site is planned: slots, horizon, what is sold for, tiers and peaks."""

from dataclasses import dataclass, field

from balans.domain.demand.plan.problem import Tariff

RESERVE_WH = 1_500.0
"""An hour of an oven or a kettle: what came unforeseen in the autumn of a recorded house."""


@dataclass(frozen=True, slots=True)
class PlannerSettings:
    """Settings of the planner of a site.

    Parameters
    ----------
    slot_s, horizon_h
        Length of a slot, and how far a plan reaches.
    sell
        Price of a kWh sold, in the unit of the zones' prices.
    tariff
        Tiers of the month and the price of its peak.
    reserve_wh
        Energy that batteries and warmth should be able to give against what no scenario foresees,
        where the tariff prices peaks.
    scenarios
        How many courses of load and production are planned for at once.
    every_s
        How often a new plan is made; an old one is no plan after twice that.
    """

    slot_s: float = 900.0
    horizon_h: float = 36.0
    sell: float = 0.0
    tariff: Tariff = field(default_factory=Tariff)
    scenarios: int = 6
    reserve_wh: float = RESERVE_WH
    every_s: float = 300.0
