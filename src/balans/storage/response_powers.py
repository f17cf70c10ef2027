"""What places could give up in an event: from the same hours of the last weeks, and from now.

A load with a meter of its own is known from that meter; another one from what such loads draw
usually. An event that begins at once goes by what the gateway tells of the loads at present. Call
inside a scope.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import hypot, sqrt
from statistics import fmean, stdev
from typing import Final
from zoneinfo import ZoneInfo

from django.db import connection

from balans.core.hours import hour_of, time_of
from balans.core.words import LoadClass, PointRole, Resource
from balans.domain.response.cycles import cycle_s
from balans.protocols.hub import SiteStatus, decode
from balans.storage import lookups
from balans.storage.models import MeteringPoint
from balans.storage.profile import point_intervals
from balans.storage.records import LoadInfo, PointInfo
from balans.storage.response_candidates import SWITCHABLE, Place
from balans.usecases.event_plan import USUAL_DUTY

DAYS: Final = 28
LEAST_DAYS: Final = 3
"""With fewer days of readings a load counts as unknown."""
USUAL_SHARE: Final = USUAL_DUTY
"""Share of its rated power that a load without a meter is taken to draw on average; it is a load
that is on or off, so its spread is that of a coin of this weight."""
USUAL_CYCLE_S: Final = 5400.0
"""Of a load without a meter: thermostats run and rest within an hour or two."""
DOUBT_SHARE: Final = 0.1
"""Of the rated power: no mean of a few days is known better than so."""
PRESENT: Final = timedelta(minutes=15)
"""An event that begins within this time goes by what is drawn now, for as long."""
FRESH: Final = timedelta(minutes=5)
NOW_SHARE: Final = 0.2
SITE_DAYS: Final = 10
SITE_STEP: Final = timedelta(minutes=6)
SITE_MINUTES: Final = 12
"""Of a site as a whole the last days are looked at, of each a minute in six, at most so many: a
preview of thousands of sites would read millions of minutes otherwise."""
HOUR: Final = timedelta(hours=1)
MOST: Final = timedelta(hours=23)
"""Of an event, so that the same hours of two days never overlap."""


@dataclass(frozen=True, slots=True)
class Power:
    """A mean with its standard deviation [W]."""

    mean_w: float
    sd_w: float


@dataclass(frozen=True, slots=True)
class Available:
    """What a place could hold back, and what it draws as a whole; None: not known.

    `duty` is the share of the time in which the loads run, `cycle_s` how long their cycles are,
    weighed by what they draw.
    """

    power: Power
    base: Power | None
    duty: float
    cycle_s: float


@dataclass(frozen=True, slots=True)
class _Usual:
    """What a load draws usually, and in which cycles."""

    power: Power
    rated_w: float
    cycle_s: float


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of an event, and the clock that people live by there."""

    start: datetime
    end: datetime
    zone: ZoneInfo

    @property
    def hours(self) -> float:
        """Length of the full hours that cover it."""
        first, end = self._covering()
        return (end - first) / HOUR

    def like_it(self, now: datetime) -> list[tuple[datetime, datetime]]:
        """Return the same hours of the days before `now`, working days or weekends, in order."""
        first, end = self._covering()
        local = first.astimezone(self.zone)
        found = []
        for days in range(DAYS + 14, 0, -1):
            start = (local - timedelta(days=days)).astimezone(first.tzinfo)
            alike = (start.astimezone(self.zone).weekday() >= 5) == (local.weekday() >= 5)
            if alike and now - timedelta(days=DAYS) <= start and start + (end - first) <= now:
                found.append((start, start + (end - first)))
        return found

    def _covering(self) -> tuple[datetime, datetime]:
        first = time_of(hour_of(self.start))
        last = time_of(hour_of(self.end))
        last = last if last == self.end else last + HOUR
        return first, min(max(last, first + HOUR), first + MOST)


def available(
    places: Sequence[Place], window: Window, now: datetime
) -> dict[int, dict[LoadClass, Available]]:
    """Return what the loads of each class of `places` could hold back, by the node's id."""
    past = window.like_it(now)
    loads = [load for place in places for load in place.loads]
    profiles = _metered({load.sub_meter for load in loads if load.sub_meter}, past, window.hours)
    present = _present(places, window, now)
    bases = _bases(places, past, window.hours)
    found: dict[int, dict[LoadClass, Available]] = {}
    for place in places:
        powers: dict[LoadClass, list[Power]] = {word: [] for word in SWITCHABLE}
        usual: dict[LoadClass, list[_Usual]] = {word: [] for word in SWITCHABLE}
        for load in place.loads:
            now_w = present.get((load.site_id, load.name))
            usual[load.load_class].append(known := _of_load(load, profiles, window))
            powers[load.load_class].append(_blend(known.power, now_w, window))
        base = bases.get(place.node_id)
        found[place.node_id] = {
            word: _available(powers[word], usual[word], base) for word in SWITCHABLE
        }
    return found


def _available(powers: Sequence[Power], usual: Sequence[_Usual], base: Power | None) -> Available:
    mean_w = sum(power.mean_w for power in powers)
    if base is not None:
        mean_w = min(mean_w, max(base.mean_w, 0.0))
    sd_w = sqrt(sum(power.sd_w**2 for power in powers))
    drawn_w = sum(one.power.mean_w for one in usual)
    rated_w = sum(one.rated_w for one in usual)
    weighed = sum(one.power.mean_w * one.cycle_s for one in usual)
    return Available(
        Power(mean_w, sd_w),
        base,
        min(drawn_w / rated_w, 1.0) if rated_w else USUAL_SHARE,
        weighed / drawn_w if drawn_w else USUAL_CYCLE_S,
    )


def _of_load(load: LoadInfo, profiles: dict[str, Power], window: Window) -> _Usual:
    known = profiles.get(load.sub_meter or "")
    if known is None:
        spread = sqrt(USUAL_SHARE * (1 - USUAL_SHARE))
        power = Power(USUAL_SHARE * load.rated_w, spread * load.rated_w)
        return _Usual(power, load.rated_w, USUAL_CYCLE_S)
    mean_w = min(max(known.mean_w, 0.0), load.rated_w)
    duty = mean_w / load.rated_w if load.rated_w else USUAL_SHARE
    cycle = cycle_s(known.sd_w, load.rated_w, duty, window.hours * 3600)
    power = Power(mean_w, max(known.sd_w, DOUBT_SHARE * load.rated_w))
    return _Usual(power, load.rated_w, cycle)


def _blend(usual: Power, now_w: float | None, window: Window) -> Power:
    """Return `usual`, with what is drawn now for the first part of the event."""
    if now_w is None:
        return usual
    share = min(1.0, PRESENT / (window.end - window.start))
    mean_w = share * now_w + (1 - share) * usual.mean_w
    return Power(mean_w, hypot(share * NOW_SHARE * now_w, (1 - share) * usual.sd_w))


def _metered(
    codes: Iterable[str], past: Sequence[tuple[datetime, datetime]], hours: float
) -> dict[str, Power]:
    points = lookups.points(MeteringPoint.objects.filter(code__in=list(codes)))
    by_id = {point.id: point.code for point in points}
    return {by_id[key]: power for key, power in _means(points, past, hours).items()}


def _means(
    points: Sequence[PointInfo], past: Sequence[tuple[datetime, datetime]], hours: float
) -> dict[int, Power]:
    """Return the mean power of `points` in the windows `past`, by id, where enough is known."""
    bounds = sorted({edge for span in past for edge in span})
    wanted = set(past)
    found = {}
    for point_id, values in point_intervals(points, bounds).items() if points else ():
        known = [
            float(value.energy) / hours
            for value in values
            if value.energy is not None and (value.start, value.end) in wanted
        ]
        if len(known) >= LEAST_DAYS:
            found[point_id] = Power(fmean(known), stdev(known))
    return found


def _bases(
    places: Sequence[Place], past: Sequence[tuple[datetime, datetime]], hours: float
) -> dict[int, Power]:
    """Return what places draw as a whole: sites by their gateways, others by their meters."""
    others = [place.node_id for place in places if not place.is_site]
    rows = MeteringPoint.objects.filter(
        node_id__in=others,
        resource=Resource.ELECTRICITY.value,
        role=PointRole.CONSUMER.value,
    )
    points = lookups.points(rows)
    nodes = {point.id: point.node_id for point in points}
    found: dict[int, Power] = {}
    for point_id, power in _means(points, past, hours).items():
        before = found.get(nodes[point_id], Power(0.0, 0.0))
        found[nodes[point_id]] = Power(before.mean_w + power.mean_w, hypot(before.sd_w, power.sd_w))
    return found | _site_bases([place.site_id for place in places if place.is_site], past)


def _site_bases(
    site_ids: Sequence[int], past: Sequence[tuple[datetime, datetime]]
) -> dict[int, Power]:
    if not site_ids or not past:
        return {}
    looked = [(start, at) for start, end in past[-SITE_DAYS:] for at in _minutes(start, end)]
    with connection.cursor() as cursor:
        cursor.execute(
            _SITE_MEANS,
            [[start for start, _ in looked], [at for _, at in looked], list(site_ids), LEAST_DAYS],
        )
        return {site: Power(mean_w, sd_w) for site, mean_w, sd_w in cursor.fetchall()}


def _minutes(start: datetime, end: datetime) -> list[datetime]:
    """Return the minutes of a window that are looked at: its mean is known well from some."""
    step = max(SITE_STEP, (end - start) / SITE_MINUTES)
    count = int((end - start) / step)
    found = [start + number * step for number in range(count)]
    return [at.replace(second=0, microsecond=0) for at in found]


def _present(
    places: Sequence[Place], window: Window, now: datetime
) -> dict[tuple[int, str], float]:
    """Return what loads draw now, for an event that begins at once, by site and name."""
    if window.start - now > PRESENT:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "select site_id, status from live_status where site_id = any(%s) and at >= %s",
            [sorted({place.site_id for place in places}), now - FRESH],
        )
        rows = cursor.fetchall()
    found = {}
    for site_id, data in rows:
        status = decode(bytes(data))
        if isinstance(status, SiteStatus):
            for load in status.loads:
                if load.power_w is not None:
                    found[site_id, load.name] = max(load.power_w, 0.0) if load.on else 0.0
    return found


_SITE_MEANS = """
select site_id, avg(w), stddev_samp(w) from (
  select m.site_id, p.start, avg(m.power_w) as w
  from unnest(%s::timestamptz[], %s::timestamptz[]) as p (start, minute)
  join site_minute m on m.minute = p.minute and m.site_id = any(%s)
  where m.power_w is not null
  group by m.site_id, p.start) as days
group by site_id having count(*) >= %s
"""
