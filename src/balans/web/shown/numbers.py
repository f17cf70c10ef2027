"""Numbers with the separators of the reader's language."""

from typing import Final

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from balans.core.hours import HOUR_S

MISSING: Final = "–"
"""Shown where nothing is known. A missing value is never zero."""

FINE_BELOW_W: Final = 20_000
MINUTE_S: Final = 60


def decimal(value: float | None, digits: int) -> str:
    """Return `value` with `digits` decimals, or the sign for missing.

    >>> decimal(None, 1)
    '–'
    """
    if value is None:
        return MISSING
    return number_format(round(value, digits) + 0.0, digits, use_l10n=True, force_grouping=True)


def kw_digits(scale_w: float | None) -> int:
    """Return how many decimals kilowatts need where the largest value is `scale_w` [W].

    >>> kw_digits(4000), kw_digits(60_000)
    (2, 1)
    """
    return 2 if scale_w is None or abs(scale_w) < FINE_BELOW_W else 1


def kw(power_w: float | None, digits: int = 2) -> str:
    """Return a power in kW, without its unit."""
    return decimal(None if power_w is None else power_w / 1000, digits)


def signed_kw(power_w: float, digits: int = 2) -> str:
    """Return a change of power in kW with its sign, without its unit.

    >>> signed_kw(-2000.0), signed_kw(1500.0), signed_kw(-0.4)
    ('−2.00', '+1.50', '0.00')
    """
    text = kw(abs(power_w), digits)
    if round(power_w / 1000, digits) == 0:
        return text
    return f"{'−' if power_w < 0 else '+'}{text}"


def duration_forms() -> dict[str, str]:
    """Return how a time is written by its size, for this and for the script of the page."""
    return {
        "hours": _("%(hours)d h %(minutes)d min"),
        "minutes": _("%(minutes)d min"),
        "seconds": _("%(seconds)d s"),
    }


def duration(seconds: float) -> str:
    """Return a remaining time in whole units; what does not fill one is left out.

    >>> duration(45.2), duration(605.4), duration(3660)
    ('45 s', '10 min', '1 h 1 min')
    """
    whole = max(0, round(seconds))
    size = "seconds" if whole < MINUTE_S else "minutes" if whole < HOUR_S else "hours"
    parts = {
        "hours": whole // HOUR_S,
        "minutes": whole % HOUR_S // MINUTE_S,
        "seconds": whole % MINUTE_S,
    }
    return duration_forms()[size] % parts
