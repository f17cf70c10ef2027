"""SITE.toml: what is understood, and what each mistake is told."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.core.words import LoadClass
from balans.domain.demand import LoadKind, Recover, Window
from balans.usecases.site_file import (
    SiteFileError,
    parse_site,
    rate_loads,
    site_of,
    trace_columns,
)
from balans.usecases.toml_table import parse_toml

GOOD = """
[site]
name = "house"
profile = "profile.csv"
timezone = "Europe/Paris"

[[zone]]
name = "night"
from = "23:00"
to = "07:00"
price = 0.60

[[limit]]
name = "contract"
source = "operator"
kw = 4.0
interval_s = 900
zone = "night"
from = "17:00"
to = "24:00"

[[load]]
name = "heater"
class = "yellow"
max_off_s = 600
min_on_s = 300
recover = "lose"
rated_w = 2200

[[load]]
name = "ev"
class = "green"
kind = "modulating"
min_w = 1400
max_w = 7000
deadline = 07:00:00
"""


def test_the_whole_file() -> None:
    site = parse_site(GOOD, "SITE.toml")
    assert (site.name, site.profile, site.timezone.key) == ("house", "profile.csv", "Europe/Paris")
    assert [(z.name, z.price) for z in site.zones] == [("night", Decimal("0.6")), ("day", 1)]
    (limit,) = site.limits
    assert (limit.limit_w, limit.interval_s, limit.zone) == (4000.0, 900, "night")
    assert limit.window == Window(17 * 3600, 24 * 3600)
    heater, ev = site.loads
    assert (heater.load_class, heater.max_off_s, heater.recover) == (
        LoadClass.YELLOW, 600, Recover.LOSE,
    )  # fmt: skip
    assert (ev.kind, ev.rated_w, ev.deadline_s) == (LoadKind.MODULATING, 7000.0, 7 * 3600)


def test_defaults() -> None:
    text = GOOD.split("[[zone]]", maxsplit=1)[0] + '[[load]]\nname = "fridge"\nclass = "yellow"\n'
    (load,) = parse_site(text, "SITE.toml").loads
    assert (load.max_off_s, load.min_on_s, load.recover, load.kind) == (
        900, 300, Recover.DEFER, LoadKind.SWITCH,
    )  # fmt: skip
    assert rate_loads([load], {"fridge": 130.0})[0].rated_w == 130.0


def test_a_day_zone_may_have_a_price() -> None:
    text = GOOD.replace("[[limit]]", '[[zone]]\nname = "day"\nprice = 2.5\n[[limit]]', 1)
    assert parse_site(text, "SITE.toml").price("day") == Decimal("2.5")


MISTAKES = [
    ('class = "yellow"', 'class = "purple"', "load[0].class = 'purple': expected one of red, ye"),
    ("max_off_s = 600", "max_off_s = 1200", "load[0].max_off_s = 1200: expected a number from 420"),
    ("max_off_s = 600", "max_off_s = true", "load[0].max_off_s = True: expected a number"),
    ("min_on_s = 300", "min_on_s = nan", "load[0].min_on_s = nan: expected a number"),
    ("kw = 4.0", "kw = -1", "limit[0].kw = -1: expected a number from 0"),
    ("kw = 4.0", 'kw = "4"', "limit[0].kw = '4': expected a number"),
    ("kw = 4.0", "", "limit[0].kw is missing: expected a number"),
    ('name = "house"', "", "site.name is missing"),
    ('profile = "profile.csv"', "", "site.profile is missing"),
    ('timezone = "Europe/Paris"', 'timezone = "Europe/Pariss"', "site.timezone = 'Europe/Pariss'"),
    ('timezone = "Europe/Paris"', 'timezone = "../etc"', "site.timezone = '../etc'"),
    ('zone = "night"', 'zone = "nightly"', "limit[0].zone = 'nightly': expected one of day, night"),
    ('from = "23:00"', 'from = "23.00"', "zone[0].from = '23.00': expected a local time"),
    ('from = "23:00"', 'from = "25:00"', "zone[0].from = '25:00': expected a local time"),
    ('to = "07:00"', "", "zone[0].to is missing: expected a local time"),
    ('from = "23:00"', 'from = "07:00"', "zone[0].to = '07:00': expected another time"),
    ('source = "operator"', 'source = "boss"', "limit[0].source = 'boss': expected one of operat"),
    ("interval_s = 900", "interval_s = 60", "limit[0].interval_s = 60: expected 0 (every step)"),
    ('name = "ev"', 'name = "heater"', "load[1].name = 'heater': expected a name whose columns"),
    ('name = "ev"', 'name = "base"', "load[1].name = 'base': expected a name whose columns"),
    ('name = "ev"', 'name = "e v"', "load[1].name = 'e v': expected 1 to 64"),
    ("min_on_s = 300", "min_ons = 300", "load[0].min_ons is not known here; did you mean min_on_s"),
    ("[[limit]]", "[[limits]]", "limits is not known here; did you mean limit"),
    ("min_w = 1400", "", "load[1].min_w is missing"),
    ("max_w = 7000", "max_w = 1000", "load[1].max_w = 1000: expected a number from 1400"),
    ('recover = "lose"', 'recover = "never"', "load[0].recover = 'never': expected one of defer"),
    ("[site]", "[site", "SITE.toml: "),
    ("[[zone]]", "[zone]", "zone = "),
]


@pytest.mark.parametrize(("old", "new", "told"), MISTAKES, ids=[m[2] for m in MISTAKES])
def test_mistakes_are_named(old: str, new: str, told: str) -> None:
    assert old in GOOD
    with pytest.raises(SiteFileError) as caught:
        parse_site(GOOD.replace(old, new, 1), "SITE.toml")
    assert str(caught.value).startswith("SITE.toml: ")
    assert told in str(caught.value)


def test_overlapping_zones_are_refused() -> None:
    text = GOOD.replace(
        "[[limit]]", '[[zone]]\nname = "peak"\nfrom = "06:00"\nto = "09:00"\n[[limit]]', 1
    )
    with pytest.raises(SiteFileError, match=r"zone\[1\].from .* zone 'night'"):
        parse_site(text, "SITE.toml")


def test_a_gateway_needs_ratings_but_no_profile() -> None:
    text = GOOD.replace('profile = "profile.csv"', "") + '[gateway]\nhub = "hub-1"\n'
    root = parse_toml(text, "gateway.toml")
    assert site_of(root, needs_profile=False).loads[0].rated_w == 2200
    with pytest.raises(SiteFileError, match="gateway is not known here"):
        root.finish()
    root = parse_toml(text.replace("rated_w = 2200", ""), "gateway.toml")
    with pytest.raises(SiteFileError, match=r"load\[0\].rated_w is missing"):
        site_of(root, needs_profile=False)


def test_columns_of_a_trace() -> None:
    assert trace_columns(["a"])[-3:] == ["a_demand_w", "a_w", "a_on"]


@given(st.text() | st.binary().map(lambda data: data.decode("utf-8", "replace")))
def test_random_text_gives_only_the_errors_of_the_file(text: str) -> None:
    with pytest.raises(SiteFileError):
        parse_site(text, "SITE.toml")


values = st.recursive(
    st.sampled_from(["1", "-1", "nan", "inf", '"x"', "true", "07:00:00", "2026-01-01", "1e300"]),
    lambda inner: st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
    max_leaves=4,
)


@given(st.data())
def test_any_value_in_any_field_is_taken_or_told(data: st.DataObject) -> None:
    lines = GOOD.splitlines()
    places = [index for index, line in enumerate(lines) if "=" in line]
    index = data.draw(st.sampled_from(places))
    lines[index] = lines[index].split("=")[0] + "= " + data.draw(values)
    try:
        site = parse_site("\n".join(lines), "SITE.toml")
    except SiteFileError as error:
        assert str(error).startswith("SITE.toml: ")  # noqa: PT017  (either outcome is right)
    else:
        assert site.loads
