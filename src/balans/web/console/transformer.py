"""The transformer of a building under uncoordinated load, and with some or all taking part."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from balans.storage import live as stored
from balans.web.shown.charts import Series, chart, twin
from balans.web.shown.days import HOUR
from balans.web.shown.numbers import decimal, duration, kw_digits
from balans.web.shown.people import person
from balans.web.shown.places import crumbs
from balans.web.shown.sites import site_view

STUDY: Final = "participation"
TICK_MINUTES: Final = 180
ROOM: Final = 1.08

Study = Mapping[str, Any]
"""What `balans.usecases.simulate_feeder.feeder_report` returns."""


@require_safe
def transformer(request: HttpRequest, code: str) -> HttpResponse:
    """Show the study of the transformer of the site `code`."""
    view = site_view(person(request), code)
    found = stored.get_study(view.site.id, STUDY)
    context = {
        "site": view.site,
        "crumbs": crumbs(person(request), view.site, _("Transformer")),
        "cases": list(_cases(found.result, view.site.timezone)) if found else [],
        "has_heat": found is not None and any("hot_spot_c" in x for x in found.result["shares"]),
    }
    return render(request, "console/transformer.html", context)


def _cases(study: Study, zone: ZoneInfo) -> Iterator[dict[str, Any]]:
    curves = [study["uncoordinated_kw"], *(one["curve_kw"] for one in study["shares"])]
    top_kw = max((kw for curve in curves for kw in curve if kw is not None), default=1.0)
    digits = kw_digits(1000 * top_kw)
    for number, share in enumerate(study["shares"]):
        overload_kwh = share["overload_kwh"]["controlled"]
        yield {
            "id": f"case-{number}",
            "title": _title(share["share"]),
            "flats": len(share["flats"]),
            "tone": "good" if overload_kwh < 0.005 else "bad" if number == 0 else "warn",
            "word": _("%(kwh)s kWh over the limit") % {"kwh": decimal(overload_kwh, 2)},
            "overload": decimal(overload_kwh, 2),
            "peak": decimal(share["peak_kw"]["controlled"], digits),
            "minutes": decimal(share["minutes_over"]["controlled"], 0),
            "switches": decimal(share["switches"], 0),
            "longest": duration(share["longest_yellow_off_s"]),
            "late": decimal(share["late_kwh"], 2),
            **_heat(share),
            **_drawn(study, share["curve_kw"], zone, digits, ROOM * top_kw),
        }


def _heat(share: Mapping[str, Any]) -> dict[str, str]:
    """Return what the load does to the transformer, where the study knows it."""
    return {
        "hot_spot": decimal(share.get("hot_spot_c"), 1),
        "life": decimal(share.get("loss_of_life_h"), 2),
        "ageing": decimal(share.get("relative_ageing"), 3),
    }


def _title(share: float) -> str:
    if share == 0:
        return _("Nobody takes part")
    if share == 1:
        return _("All flats take part")
    return _("%(percent)s %% of the flats take part") % {"percent": decimal(100 * share, 0)}


def _drawn(
    study: Study, curve_kw: list[float | None], zone: ZoneInfo, digits: int, reach_kw: float
) -> dict[str, Any]:
    """Return the chart of a case, up to `reach_kw` like the others, and the table beside it."""
    start = datetime.fromtimestamp(study["start_s"], UTC)
    step = timedelta(seconds=study["block_s"])
    times = [start + n * step for n in range(len(curve_kw))]
    series = [
        Series(_("Uncoordinated"), "reference", study["uncoordinated_kw"]),
        Series(_("Load"), "load", curve_kw),
        Series(_("Limit"), "limit", study["limit_kw"]),
    ]
    curve = chart(times, series, zone, unit=_("kW"), digits=digits, tick_minutes=TICK_MINUTES)
    caption = _("Means of an hour, kW")
    return {
        "chart": curve | {"reach": [0, reach_kw]},
        "twin": twin(times, series, zone, caption=caption, digits=digits, step=HOUR),
    }
