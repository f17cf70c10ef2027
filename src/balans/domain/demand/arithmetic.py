"""The arithmetic of laws that are written once: for the numbers of one load, or arrays of many.

Only `where`, `least` and `most` differ. A value that is not there is NaN.
"""

import math
from typing import Any, Protocol

import numpy as np

Value = Any
"""A number, or an array of one for each load."""
Flag = Any
"""A truth value, or an array of one for each load."""
Row = Any
"""A load with its state (`rows.LoadRow`), or a table of them (`rows.Table`)."""


class Arithmetic(Protocol):
    """What differs between one row and many."""

    def where(self, flag: Flag, yes: Value, no: Value) -> Value:
        """Return `yes` where the flag is set, else `no`."""

    def least(self, one: Value, other: Value) -> Value:
        """Return the lower of both."""

    def most(self, one: Value, other: Value) -> Value:
        """Return the higher of both."""

    def absent(self, value: Value) -> Flag:
        """Tell where a value is NaN."""

    def no(self, flag: Flag) -> Flag:
        """Tell where the flag is not set."""

    def none(self, flag: Flag) -> bool:
        """Tell whether the flag is set nowhere."""

    def exp2(self, value: Value) -> Value:
        """Return 2 to the power of a value."""


class _One:
    """Arithmetic of numbers."""

    @staticmethod
    def where(flag: Flag, yes: Value, no: Value) -> Value:
        return yes if flag else no

    @staticmethod
    def least(one: Value, other: Value) -> Value:
        return one if one < other else other  # noqa: FURB136  (min is slower)

    @staticmethod
    def most(one: Value, other: Value) -> Value:
        return one if one > other else other  # noqa: FURB136  (max is slower)

    @staticmethod
    def absent(value: Value) -> Flag:
        return value != value  # noqa: PLR0124  (NaN is the only number that differs from itself)

    @staticmethod
    def no(flag: Flag) -> Flag:
        return not flag

    @staticmethod
    def none(flag: Flag) -> bool:
        return not flag

    exp2 = staticmethod(math.exp2)


class _Many:
    """Arithmetic of arrays."""

    where = staticmethod(np.where)
    least = staticmethod(np.minimum)
    most = staticmethod(np.maximum)
    absent = staticmethod(np.isnan)
    no = staticmethod(np.logical_not)

    @staticmethod
    def none(flag: Flag) -> bool:
        return not flag.any()

    exp2 = staticmethod(np.exp2)


ONE: Arithmetic = _One()
MANY: Arithmetic = _Many()
