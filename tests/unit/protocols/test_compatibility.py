"""Peers of different releases on the wires, and the bounds of what came later."""

from typing import Any

import msgspec
import pytest

from balans.core.words import LoadClass
from balans.protocols import hub, module

OLD_STATUS = {
    "type": "status",
    "seq": 7,
    "time": 60.0,
    "step_s": 60.0,
    "site_w": 3100.0,
    "limit_w": 4000.0,
    "limit": "contract",
    "loads": [["heater", "yellow", False, 0.0, "over_limit", 300.0, 30.0, None]],
}
OLD_LIMITS = {
    "type": "limits",
    "version": 3,
    "limits": [{"name": "contract", "source": "operator", "limit_w": 4000.0}],
}
OLD_REPORT = {
    "id": "a1",
    "load": "heater",
    "on": False,
    "author": "dlm",
    "reason": "over_limit",
    "created": 1.0,
    "expires": 31.0,
    "state": "confirmed",
    "time": 2.0,
    "expected_w": -1800.0,
}
OLD_SAMPLE = {"type": "power", "seq": 1, "time": 60.0, "step_s": 60.0, "site_w": 3100.0}


def test_what_older_peers_send_still_has_a_meaning() -> None:
    status = hub.decode(msgspec.msgpack.encode(OLD_STATUS))
    assert isinstance(status, hub.SiteStatus)
    assert (status.nodes, status.fairness, status.guard, status.own_limits) == ((), None, "", ())
    (load,) = status.loads
    assert (load.off_left_s, load.node, load.given_kwmin) == (300.0, "", 0.0)
    assert (load.released, load.paused_until, load.achieved_w) == (True, None, None)
    limits = hub.decode(msgspec.msgpack.encode(OLD_LIMITS))
    assert isinstance(limits, hub.Limits)
    assert (limits.limits[0].node, limits.limits[0].phase_a) == ("", None)
    report = hub.decode_command_report(msgspec.msgpack.encode(OLD_REPORT))
    assert (report.expected_w, report.achieved_w) == (-1800.0, None)
    sample = module.decode(msgspec.msgpack.encode(OLD_SAMPLE))
    assert isinstance(sample, module.PowerSample)
    assert (sample.node_w, sample.node_phase_w) == ({}, {})


def test_what_is_new_does_not_disturb_older_peers() -> None:
    class OldLoad(msgspec.Struct, array_like=True):
        name: str
        load_class: str
        on: bool
        power_w: float | None
        reason: str = ""

    class OldStatus(msgspec.Struct, tag="status"):
        seq: int
        site_w: float | None
        loads: tuple[OldLoad, ...]

    load = hub.LoadStatus("heater", LoadClass.YELLOW, on=False, power_w=0.0, node="riser")
    status = hub.SiteStatus(
        seq=7,
        time=60.0,
        step_s=60.0,
        site_w=3100.0,
        limit_w=None,
        limit="",
        loads=(load,),
        nodes=(hub.NodeStatus("", phase_a=(1.0, None, 3.0)),),
        fairness=hub.Fairness(0.5),
    )
    old = msgspec.msgpack.decode(hub.encode(status), type=OldStatus)
    assert (old.seq, old.loads[0].name, old.loads[0].on) == (7, "heater", False)


@pytest.mark.parametrize(
    ("message", "place"),
    [
        ({"type": "plan", "made": 1.0, "slot_s": 0.0}, "slot_s"),
        ({"type": "plan", "made": 1.0, "state": "guess"}, "state"),
        ({"type": "plan", "made": 1.0, "price": [float("nan")]}, "price"),
        ({"type": "plan", "made": 1.0, "expected_w": [0.0] * 1441}, "expected_w"),
        ({"type": "plan", "made": 1.0, "loads": [{"name": "a/b"}]}, "name"),
        ({"type": "consents", "version": 1, "loads": [{"load": ""}]}, "load"),
        ({"type": "consents", "version": 1, "loads": [{"load": "a", "released": 1}]}, "released"),
        ({**OLD_STATUS, "fairness": [1.5]}, "fairness"),
        ({**OLD_STATUS, "nodes": [["a b"]]}, "nodes"),
        ({**OLD_STATUS, "nodes": [["", "", 1.0, 1.0, 1.0, "", [0.0] * 4]]}, "nodes"),
    ],
)
def test_a_new_field_out_of_bounds_is_named(message: dict[str, Any], place: str) -> None:
    with pytest.raises(hub.HubFrameError, match=place):
        hub.decode(msgspec.msgpack.encode(message))
