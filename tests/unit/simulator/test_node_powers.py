"""Meters of flats and risers tell what hangs below them."""

from dataclasses import replace

import numpy as np

from balans.simulator.plant import Plant, Profile
from balans.simulator.recording import town_minutes
from balans.simulator.spec import NodeSpec
from balans.simulator.town import demo_town


def test_flats_risers_and_phases_add_up_to_the_site() -> None:
    spec = demo_town()
    plant = Plant(spec, Profile.of(spec, town_minutes()))
    minute = plant.step(np.ones(len(spec.loads), dtype=np.bool_))
    assert plant.risers == ("riser-1", "riser-2", "riser-3")
    assert minute.flat_w.sum() == minute.site_w
    assert minute.riser_phase_w.shape == (3, 3)
    assert minute.riser_phase_w.sum(axis=0).tolist() == list(minute.phase_w)
    first = [flat for flat, node in zip(minute.flat_w, range(24), strict=True) if node < 8]
    assert minute.riser_phase_w[0].sum() == sum(first)


def test_flats_right_below_the_building_have_no_riser() -> None:
    spec = demo_town()
    nodes = tuple(
        NodeSpec(node.code, node.kind, node.name, spec.sites[0].code)
        if node.code.startswith("flat")
        else node
        for node in spec.nodes
    )
    spec = replace(spec, nodes=nodes)
    plant = Plant(spec, Profile.of(spec, town_minutes()))
    minute = plant.step(np.ones(len(spec.loads), dtype=np.bool_))
    assert plant.risers == ()
    assert minute.riser_phase_w.shape == (0, 3)
