"""Seeded charging sessions on the stations of acnportal's Caltech network."""

from dataclasses import dataclass

import numpy as np

PERIOD_MIN = 5
PERIODS_A_DAY = 24 * 60 // PERIOD_MIN
VOLT, MOST_A = 208.0, 32.0
VEHICLE_KW = VOLT * MOST_A / 1000
STATIONS = tuple(
    f"CA-{number}"
    for numbers in (
        (308, 508, 303, 513, 310, 506, 316, 500, 318, 498),
        (324, 325, 326, 327, 489, 490, 491, 492),
        (322, 493, 496, 320, 495, 321, 323, 494),
        (304, 512, 305, 511, 313, 503, 311, 505, 317, 499, 148, 149, 212, 213),
        (307, 509, 309, 507, 306, 510, 315, 501, 319, 497, 312, 504, 314, 502),
    )
    for number in numbers
)


@dataclass(frozen=True, slots=True)
class Session:
    """A vehicle at a station from `arrival` to `departure` [periods], asking for `kwh`."""

    session: str
    station: str
    arrival: int
    departure: int
    kwh: float


def make_sessions(count: int, seed: int) -> list[Session]:
    """Return a working day of `count` sessions, one at each of `count` stations.

    Arrivals lie around 08:30 (sd 90 min), stays around 6 h (sd 2 h, 1 to 11 h); the energy asked
    for is log-normal (median 9 kWh), at most 90 % of what the stay allows at the largest rate.
    """
    rng = np.random.default_rng(seed)
    stations = rng.permutation(len(STATIONS))[:count]
    arrival = np.clip(np.rint(rng.normal(8.5 * 12, 18, count)), 60, 140).astype(int)
    stay = np.clip(np.rint(rng.normal(72, 24, count)), 12, 132).astype(int)
    most_kwh = 0.9 * VEHICLE_KW * stay * PERIOD_MIN / 60
    kwh = np.minimum(9.0 * np.exp(rng.normal(0, 0.6, count)), most_kwh)
    rows = zip(
        stations.tolist(), arrival.tolist(), (arrival + stay).tolist(), kwh.tolist(), strict=True
    )
    return [
        Session(f"s{number}", STATIONS[station], begin, end, round(need, 3))
        for number, (station, begin, end, need) in enumerate(rows)
    ]
