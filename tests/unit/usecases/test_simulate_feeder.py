from dataclasses import replace
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from balans.core.errors import InputError
from balans.core.words import LoadClass
from balans.domain.demand import Limit, Load
from balans.usecases.feeder.heat import Transformer
from balans.usecases.simulate_feeder import Feeder, Flat, feeder_report, simulate_feeder

HEATER = Load("heat", LoadClass.YELLOW, 2000.0)
MINUTES = 240


def feeder(flats: int = 5) -> Feeder:
    wants = np.where(np.arange(MINUTES) % 60 < 30, 2000.0, 0.0)
    made = tuple(
        Flat(f"flat-{n}", np.full(MINUTES, 400.0 + n), (HEATER,), {"heat": np.roll(wants, 7 * n)})
        for n in range(flats)
    )
    limits = (Limit("transformer", 7000.0),)
    return Feeder("riser", ZoneInfo("Europe/Paris"), 1.7e9, 60.0, made, limits)


def test_nobody_taking_part_changes_nothing_and_everybody_helps() -> None:
    nobody, some, all_ = simulate_feeder(feeder(), seed=3)
    assert nobody.replay.loads == ()
    assert (nobody.replay.controlled_w == nobody.replay.uncontrolled_w).all()
    for result in (some, all_):
        assert np.allclose(result.replay.uncontrolled_w, nobody.replay.uncontrolled_w)
    report = feeder_report((nobody, some, all_))
    over = [share["overload_kwh"]["controlled"] for share in report["shares"]]
    assert over[0] > over[1] > over[2]
    assert all(share["longest_yellow_off_s"] <= 900 for share in report["shares"])


def test_a_larger_share_holds_the_flats_of_a_smaller_one() -> None:
    results = simulate_feeder(feeder(), seed=3, shares=(0.2, 0.4, 0.8))
    chosen = [set(result.flats_taking_part) for result in results]
    assert [len(flats) for flats in chosen] == [1, 2, 4]
    assert chosen[0] < chosen[1] < chosen[2]


def test_the_seed_chooses_and_repeats() -> None:
    def drawn(seed: int) -> tuple[str, ...]:
        return simulate_feeder(feeder(), seed, shares=(0.4,))[0].flats_taking_part

    assert drawn(1) == drawn(1)
    assert len({drawn(seed) for seed in range(8)}) > 1


def test_curves_are_means_of_blocks() -> None:
    (result,) = simulate_feeder(feeder(), seed=1, shares=(0.0,))
    report = feeder_report((result,), block_s=900.0)
    mean_kw = result.replay.controlled_w.reshape(-1, 15).mean(axis=1) / 1000
    assert report["shares"][0]["curve_kw"] == pytest.approx(mean_kw, abs=0.001)
    assert set(report["limit_kw"]) == {7.0}
    assert len(feeder_report((result,), block_s=840.0)["limit_kw"]) == 18  # the last is shorter


def test_misuse_is_told() -> None:
    with pytest.raises(InputError, match=r"share = 1\.5"):
        simulate_feeder(feeder(), seed=1, shares=(1.5,))
    with pytest.raises(InputError, match="no flats"):
        simulate_feeder(feeder(flats=0), seed=1)


def test_the_report_tells_how_hot_a_known_transformer_gets() -> None:
    known = replace(feeder(), transformer=Transformer(8.0))
    results = simulate_feeder(known, seed=3)
    report = feeder_report(results)
    plain = feeder_report(simulate_feeder(feeder(), seed=3))
    for share, without in zip(report["shares"], plain["shares"], strict=True):
        added = {"hot_spot_c", "top_oil_c", "loss_of_life_h", "relative_ageing", "hot_spot_curve_c"}
        assert share.keys() - without.keys() == added
        assert {name: share[name] for name in without} == without
        assert len(share["hot_spot_curve_c"]) == len(share["curve_kw"])
        assert share["top_oil_c"] < share["hot_spot_c"]
    ageing = [share["relative_ageing"] for share in report["shares"]]
    assert ageing[0] > ageing[2] > 0


def test_flats_on_one_phase_heat_it_more_than_flats_on_all() -> None:
    spread = replace(feeder(), transformer=Transformer(8.0))
    crowded = replace(spread, flats=tuple(replace(flat, phases=(2,)) for flat in spread.flats))
    (even,) = simulate_feeder(spread, seed=3, shares=(1.0,))
    (uneven,) = simulate_feeder(crowded, seed=3, shares=(1.0,))
    assert (even.replay.controlled_w == uneven.replay.controlled_w).all()
    assert even.heat
    assert uneven.heat
    assert uneven.heat.hot_spot_c.max() > even.heat.hot_spot_c.max()
