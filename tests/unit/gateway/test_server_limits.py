"""Limits of the server that fit the site badly: obeyed on the safe side, and told."""

from zoneinfo import ZoneInfo

from balans.core.words import LimitSource, LoadClass
from balans.domain.demand.model import Load, Zone
from balans.domain.demand.timetable import make_timetable
from balans.gateway.site_control import zone_names
from balans.protocols.hub import LimitSetting
from balans.usecases.run_load_control import ControlledSite, doubts_of, limits_of

HOUR_S = 3600
SITE = ControlledSite((Load("heater", LoadClass.YELLOW, 2000.0),), (), (), ZoneInfo("UTC"))


def setting(
    name: str, limit_w: float, zone: str | None = None, interval_s: int = 0
) -> LimitSetting:
    return LimitSetting(name, LimitSource.OPERATOR, limit_w, interval_s, zone)


def test_a_limit_of_a_zone_that_the_site_does_not_know_holds_always() -> None:
    settings = [setting("cap", 1000.0, "peak"), setting("daily", 2000.0, "day")]
    zones = zone_names(SITE)
    table = make_timetable(limits_of(settings, zones), SITE.zones)
    for hour in range(24):
        assert table.at(hour * HOUR_S).instant.limit == "cap"
    assert doubts_of(settings, zones) == [
        "limit 'cap': zone 'peak' is none of the site, so it holds always"
    ]
    assert limits_of(settings)[0].zone == "peak"


def test_limits_of_one_name_count_their_energy_apart() -> None:
    settings = [
        setting("cap", 1000.0, interval_s=900),
        setting("cap", 2000.0, interval_s=3600),
        setting("cap (2)", 3000.0, interval_s=900),
    ]
    limits = limits_of(settings, zone_names(SITE))
    assert [limit.name for limit in limits] == ["cap", "cap (2)", "cap (2) (2)"]
    assert make_timetable(limits, ()).interval_limits == limits
    assert doubts_of(settings, zone_names(SITE)) == [
        "limit 'cap': another one has the same name; both hold"
    ]


def test_zones_of_the_site_and_the_rest_of_the_day_are_known() -> None:
    from decimal import Decimal

    night = Zone("night", Decimal(1))
    site = ControlledSite(SITE.loads, (), (night,), ZoneInfo("UTC"))
    assert zone_names(site) == {"night", "day"}
