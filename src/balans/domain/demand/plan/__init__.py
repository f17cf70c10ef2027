"""The planner of a site: what is cheapest to draw when, told to the reflex as proposals."""

from balans.domain.demand.plan.problem import Block, Month, Problem, Tariff
from balans.domain.demand.plan.result import Plan, PlannedLoad, PlanState, Unmet
from balans.domain.demand.plan.settings import PlannerSettings
from balans.domain.demand.plan.solve import proposals, solve

__all__ = [
    "Block",
    "Month",
    "Plan",
    "PlanState",
    "PlannedLoad",
    "PlannerSettings",
    "Problem",
    "Tariff",
    "Unmet",
    "proposals",
    "solve",
]
