"""The transformer with nobody, some and all taking part."""

import pytest
from django.test import Client
from tests.web import town
from tests.web.conftest import Town

from balans.storage.live import get_study
from balans.storage.lookups import site_by_code
from balans.storage.scope import tenant_scope
from balans.usecases.feeder.heat import Transformer

PAGE = "/sites/alice-house/transformer/"


def study(utilities: Town, transformer: Transformer | None = None) -> None:
    with tenant_scope(utilities.alice):
        site = site_by_code(utilities.alice, "alice-house")
        assert site is not None
        town.seed_study(site.id, transformer)


def test_before_the_study_the_page_waits(operator: Client) -> None:
    page = operator.get(PAGE)
    assert page.context["cases"] == []
    assert 'data-empty="waiting"' in page.content.decode()


def test_three_shares_side_by_side(operator: Client, utilities: Town) -> None:
    study(utilities)
    cases = operator.get(PAGE).context["cases"]
    assert [case["title"] for case in cases] == [
        "Nobody takes part",
        "40 % of the flats take part",
        "All flats take part",
    ]
    assert [case["flats"] for case in cases] == [0, 2, 4]
    # Four flats want 18 kW together for 60 of the 120 minutes, 6 kW above the limit.
    assert (cases[0]["overload"], cases[0]["peak"], cases[0]["minutes"]) == ("6.00", "18.00", "60")
    overload = [float(case["overload"]) for case in cases]
    assert overload[0] > overload[1] >= overload[2]
    assert {tuple(case["chart"]["reach"]) for case in cases} == {(0, 18.0 * 1.08)}


def test_charts_hold_uncoordinated_load_beside_the_controlled(
    operator: Client, utilities: Town
) -> None:
    study(utilities)
    first, *_, last = operator.get(PAGE).context["cases"]
    names = [series["style"] for series in last["chart"]["series"]]
    assert names == ["reference", "load", "limit"]
    reference, load, limit = (series["values"] for series in first["chart"]["series"])
    assert reference == load
    assert set(limit) == {12.0}
    assert last["chart"]["series"][1]["values"] != reference
    assert last["chart"]["at"][0] == "01:00"


def test_each_chart_has_its_table(operator: Client, utilities: Town) -> None:
    study(utilities)
    page = operator.get(PAGE)
    twin = page.context["cases"][0]["twin"]
    assert twin["heads"] == ["Uncoordinated", "Load", "Peak", "Limit"]
    # 6 kW of the flats' base, and 12 kW of heaters for 20 minutes of every 40.
    assert [row["label"] for row in twin["rows"]] == ["01:00", "02:00"]
    assert {row["cells"][2] for row in twin["rows"]} == {"18.00"}
    assert {row["cells"][3] for row in twin["rows"]} == {"12.00"}
    assert page.content.decode().count("Means of an hour, kW</caption>") == 3


HEAT = {
    "en": ("Hottest spot, °C", "Insulation life used, h", "Ageing (1: normal)"),
    "ru": ("Самая горячая точка, °C", "Израсходованный срок изоляции, ч", "Старение (1 — обычное)"),
    "ro": (
        "Punctul cel mai fierbinte, °C",
        "Durată de viață a izolației consumată, h",
        "Îmbătrânire (1: normală)",
    ),
}


@pytest.mark.parametrize("language", HEAT)
def test_what_the_load_does_to_the_transformer_is_told(
    operator: Client, utilities: Town, language: str
) -> None:
    study(utilities, Transformer(16.0))
    operator.post("/language/", {"language": language})
    page = operator.get(PAGE)
    body = page.content.decode()
    assert all(head in body for head in HEAT[language])
    with tenant_scope(utilities.alice):
        site = site_by_code(utilities.alice, "alice-house")
        assert site is not None
        found = get_study(site.id, "participation")
    assert found is not None
    cases = page.context["cases"]
    for case, share in zip(cases, found.result["shares"], strict=True):
        shown = [case[key].replace(",", ".") for key in ("hot_spot", "life", "ageing")]
        assert [float(text) for text in shown] == [
            pytest.approx(share["hot_spot_c"], abs=0.051),
            pytest.approx(share["loss_of_life_h"], abs=0.0051),
            pytest.approx(share["relative_ageing"], abs=0.00051),
        ]
        assert all(f'<td class="num">{case[key]}</td>' in body for key in ("hot_spot", "ageing"))
    assert found.result["shares"][0]["hot_spot_c"] > found.result["shares"][-1]["hot_spot_c"]


def test_without_a_known_transformer_nothing_is_told_of_its_heat(
    operator: Client, utilities: Town
) -> None:
    study(utilities)
    page = operator.get(PAGE)
    assert not page.context["has_heat"]
    assert "Hottest spot" not in page.content.decode()
