"""How a selection is judged, and what it is: who is asked when, and what that gives."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from balans.core.errors import InputError
from balans.domain.response.candidates import Bar
from balans.domain.response.rotation import Turn

Floats = NDArray[np.float64]
LEAST_W = 1e-6


@dataclass(frozen=True, slots=True)
class Rules:
    """How sure the reduction must be, what errors have in common, and what fairness weighs.

    z
        Standard deviations below the expectation that must still suffice; 1.28 is the 90 % point
        of a normal distribution.
    rho
        Share of each candidate's variance that is common to all, 0 to 1. Houses deviate by 1.5 to
        2 times their mean, since a thermostat runs or rests; with 0.01 that is an error of 15 to
        20 % that all make together.
    fairness
        What having given counts beside discomfort, 0 or more.
    """

    z: float = 1.28
    rho: float = 0.01
    fairness: float = 4.0

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises
        ------
        InputError
            Naming the field.
        """
        if not 0 <= self.z < math.inf:
            raise InputError(f"rules: z = {self.z}: expected 0 or more")
        if not 0 <= self.rho <= 1:
            raise InputError(f"rules: rho = {self.rho}: expected 0 to 1")
        if not 0 <= self.fairness < math.inf:
            raise InputError(f"rules: fairness = {self.fairness}: expected 0 or more")


@dataclass(frozen=True)
class Selection:
    """Who is asked when, and what that is expected to give by slot, arrays (slots,) [W].

    expected_w, sd_w
        What is given less what comes back, and its standard deviation.
    price
        What it costs by the rule above.
    barred
        Who was never considered, and why.
    """

    turns: tuple[Turn, ...]
    wanted_w: Floats
    expected_w: Floats
    sd_w: Floats
    z: float
    price: float
    barred: Mapping[str, Bar]

    @property
    def sure_w(self) -> Floats:
        """What is given at least, `z` standard deviations below the expectation."""
        return self.expected_w - self.z * self.sd_w

    @property
    def missing_w(self) -> Floats:
        """What is still missing by slot; 0 where enough is given."""
        short_w = self.wanted_w - self.sure_w
        return np.where((self.wanted_w > 0) & (short_w > LEAST_W), short_w, 0.0)

    @property
    def met(self) -> bool:
        """Whether what is wanted is given in every slot."""
        return not self.missing_w.any()

    @cached_property
    def given_kwmin(self) -> dict[str, float]:
        """What each of the chosen is expected to give [kW min]."""
        found: dict[str, float] = {}
        for turn in self.turns:
            found[turn.target] = found.get(turn.target, 0.0) + turn.expected_kwmin
        return found
