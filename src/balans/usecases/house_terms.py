"""What a recorded house is compared under: tariff, battery, comfort band, and the meter of cost."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from balans.domain.demand.devices import Battery, Thermostat
from balans.domain.demand.model import DAY_S, Window
from balans.domain.demand.plan import Block, Tariff

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
DAY_PRICE = 0.32
"""EUR per kWh: about what a German household pays for work, without the base price, in 2025."""
SOLD_PRICE = 0.08
"""EUR per kWh fed in, Germany 2025 (EEG: 0.0794 for new roofs up to 10 kW)."""
PEAK_PRICE = 2.5
"""EUR per kW of a month's highest hour. German networks ask 15 to 30 EUR per kW and year at low
voltage below 2500 h of use, and monthly prices of about a sixth of the year's; Flanders asks
about 4 EUR per kW and month."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Prices in EUR, and the devices that a house is given.

    `zones` are hours with another price than the day's. The tariff's peak is that of the highest
    hour of a calendar month.
    """

    day_price: float = DAY_PRICE
    zones: tuple[tuple[Window, float], ...] = ()
    sell: float = SOLD_PRICE
    tariff: Tariff = field(
        default_factory=lambda: Tariff(
            (Block(250.0, 0.04),), peak_price=PEAK_PRICE, peak_interval_s=3600
        )
    )
    battery: Battery = field(
        default_factory=lambda: Battery(10_000, 4_000, 4_000, 0.95, 1_000, 1_000)
    )
    heat: Thermostat = field(default_factory=lambda: Thermostat(2_700, 2_000, 2_000))
    vehicle_a: float = 16.0

    def buy(self, local_s: Floats) -> Floats:
        """Return the price of a kWh in each hour."""
        price = np.full(len(local_s), self.day_price)
        for window, other in self.zones:
            inside = np.array([window.holds(second % DAY_S) for second in local_s.tolist()])
            price[inside] = other
        return price


@dataclass(frozen=True, slots=True)
class Bill:
    """What a period costs [EUR], less the worth of what is left stored at its end."""

    energy: float
    sold: float
    tiers: float
    peaks: float
    left: float
    peaks_kw: tuple[float, ...]

    @property
    def total(self) -> float:
        """The whole bill."""
        return self.energy + self.sold + self.tiers + self.peaks - self.left


def bill_of(terms: Terms, net_kw: Floats, buy: Floats, month: Ints, left_kwh: float) -> Bill:
    """Return the bill of hours of net power [kW].

    `left_kwh` is what is stored at the end beyond the beginning; it is worth the lowest price.
    """
    bought, sold = np.maximum(net_kw, 0.0), np.maximum(-net_kw, 0.0)
    tiers, peaks = 0.0, []
    for number in np.unique(month):
        hours = month == number
        energy = float(bought[hours].sum())
        tiers += sum(b.extra * max(0.0, energy - b.above_kwh) for b in terms.tariff.blocks)
        peaks.append(float(bought[hours].max()))
    return Bill(
        float(bought @ buy),
        -terms.sell * float(sold.sum()),
        tiers,
        terms.tariff.peak_price * sum(peaks),
        left_kwh * float(buy.min()),
        tuple(round(peak, 3) for peak in peaks),
    )
