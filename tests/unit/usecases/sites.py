"""Random sites and profiles for the laws of load control."""

from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import strategies as st

from balans.core.words import LoadClass
from balans.domain.demand import Limit, Load, LoadKind, Recover, Window, Zone
from balans.usecases.profile import Profile
from balans.usecases.site_file import Site

UTC = ZoneInfo("UTC")
STEPS_S = (1.0, 60.0, 300.0, 900.0)
times = st.integers(0, 86_399).map(lambda s: s // 900 * 900)


@st.composite
def windows(draw: st.DrawFn) -> Window:
    begin = draw(times)
    return Window(begin, draw(times.filter(lambda end: end != begin)))


@st.composite
def limits(draw: st.DrawFn, name: str, interval_s: int = 0) -> Limit:
    return Limit(
        name,
        draw(st.sampled_from([0.0, 500.0, 1500.0, 3000.0, 6000.0])),
        interval_s=interval_s,
        window=draw(st.none() | windows()),
    )


@st.composite
def loads(draw: st.DrawFn, name: str) -> Load:
    kind = draw(st.sampled_from(LoadKind))
    rated_w = draw(st.sampled_from([300.0, 1000.0, 2200.0]))
    return Load(
        name,
        draw(st.sampled_from(LoadClass)),
        rated_w,
        max_off_s=draw(st.sampled_from([420.0, 600.0, 900.0])),
        min_on_s=draw(st.sampled_from([0.0, 60.0, 300.0])),
        recover=draw(st.sampled_from(Recover)),
        kind=kind,
        min_w=rated_w / 4 if kind is LoadKind.MODULATING else 0.0,
        max_w=rated_w if kind is LoadKind.MODULATING else 0.0,
        deadline_s=draw(st.none() | times),
    )


@st.composite
def sites(draw: st.DrawFn, *, intervals: tuple[int, ...] = (0, 900, 3600)) -> Site:
    count = draw(st.integers(1, 4))
    wanted = draw(st.lists(st.sampled_from(intervals), min_size=1, max_size=3))
    held = tuple(draw(limits(f"limit{i}", interval_s)) for i, interval_s in enumerate(wanted))
    night = Zone("night", Decimal("0.6"), Window(23 * 3600, 7 * 3600))
    zones = draw(st.sampled_from([(), (night, Zone("day", Decimal(1)))]))
    return Site("site", "", UTC, zones, held, tuple(draw(loads(f"l{i}")) for i in range(count)))


def powers(draw: st.DrawFn, count: int, highest: float) -> np.ndarray:
    """Draw a curve of plateaus, as appliances make them."""
    curve = np.zeros(count)
    for _ in range(draw(st.integers(0, 8))):
        first = draw(st.integers(0, count - 1))
        last = draw(st.integers(first, count))
        curve[first:last] = draw(st.floats(0, highest))
    return curve


@st.composite
def profiles(draw: st.DrawFn, site: Site, *, most: int = 160) -> Profile:
    step_s = draw(st.sampled_from(STEPS_S))
    count = draw(st.integers(2, most))
    start_s = draw(st.integers(0, 2000)) * 900.0 + np.arange(count, dtype=np.float64) * step_s
    wanted = {load.name: powers(draw, count, load.rated_w) for load in site.loads}
    texts = [str(second) for second in start_s]
    base = powers(draw, count, 5000.0) - powers(draw, count, 1000.0)
    return Profile(texts, start_s, start_s % 86_400, step_s, base, wanted)


@st.composite
def site_and_profile(draw: st.DrawFn) -> tuple[Site, Profile]:
    site = draw(sites())
    return site, draw(profiles(site))
