"""Lists of prepared devices: CSV and texts of labels, faults with their lines."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.core.words import DeviceKind, Phase, Resource
from balans.usecases.prepared_list import COLUMNS, parse_prepared

TABLE = """code;place;input;resource;meter;pulse_weight;phase;dial
4711;flat-1;1;electricity;M100;1600/kWh;L1;12,5
4711;flat-1;2;cold_water;W100;10 l;;
4712;flat-2;;;;;;
"""


def faults(text: str) -> list[str]:
    return [str(finding) for finding in parse_prepared(text).findings]


def test_rows_of_one_module_are_one_device() -> None:
    parsed = parse_prepared("\ufeff" + TABLE)
    assert parsed.findings == ()
    first, second = parsed.devices
    assert (first.line, first.code, first.place, second.inputs) == (2, "4711", "flat-1", ())
    el, cw = first.inputs
    assert (el.pulse_weight, el.phase, str(el.dial)) == (Fraction(5, 8), Phase.L1, "12.5")
    assert (cw.number, cw.resource, cw.dial) == (2, Resource.COLD_WATER, None)


def test_labels_one_a_line() -> None:
    parsed = parse_prepared(
        "BALANS:M:4711:2A@flat-1;1=gas,G1,10 l\n\nBALANS:H:hub-1:4K7M0N2P9QRS5TVW@house\n"
    )
    assert parsed.findings == ()
    module, hub = parsed.devices
    assert (module.has_adapter, module.inputs[0].meter) == (True, "G1")
    assert (hub.kind, hub.line, hub.secret) == (DeviceKind.HUB, 3, "4K7M0N2P9QRS5TVW")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "list: empty"),
        ("a\x00b", "list: a NUL sign"),
        ("code,place,colour\n", "line 1: column 'colour'"),
        ("code,place,code\n", "line 1: column 'code' is there twice"),
        ("code\n1\n", "line 1: column 'place' is missing"),
        ("code,place\n1\n", "line 2: 1 fields: expected 2"),
        ("code,place\nx,flat\n", "line 2: code: 'x' is not a serial number"),
        ("code,place\n4294967296,flat\n", "line 2: code: '4294967296' is not"),
        ("code,place\n1,\n", "line 2: place: missing"),
        ("code,place\n1,a b\n", "line 2: place: 'a b' is not"),
        ("kind,code,place\npump,1,a\n", "line 2: kind: 'pump' is none of hub, module"),
        ("kind,code,place\nhub,h,a\n", "line 2: hub h: the secret of its label is missing"),
        ("code,place\n1,a\n1,b\n", "line 3: 1: place, name or another field differs from line 2"),
        ("code,place\n1,a\n1,a\n", "line 3: 1: given in line 2 already"),
        ("code,place,input,resource,meter\n1,a,1,gas,\n", "line 2: meter: missing"),
        ("code,place,input,resource,meter\n1,a,4,gas,G\n", "line 2: input: '4' is not 1, 2 or 3"),
        ("code,place,input,resource,meter\n1,a,1,beer,G\n", "line 2: resource: 'beer' is none of"),
        (
            "code,place,input,resource,meter\n1,a,1,gas,G\n1,a,1,gas,H\n",
            "line 2: module 1: input 1: given twice",
        ),
        (
            "code,place,input,resource,meter,ratio\n1,a,1,gas,G,5/0\n",
            "line 2: ratio: '5/0': expected a ratio",
        ),
        ("code,place,adapter\n1,a,maybe\n", "line 2: adapter: 'maybe' is neither yes nor no"),
        ("BALANS:M:1:3\n", "line 1: 1: the place is missing"),
        ("BALANS:M:1:3@a\nnonsense\n", "line 2: 'nonsense' is no text of a label"),
        ('code,place\n"1,a\n', "list: no CSV"),
    ],
)
def test_a_fault_is_named_with_its_line(text: str, words: str) -> None:
    assert any(words in fault for fault in faults(text)), faults(text)


@given(st.text(max_size=300))
def test_any_text_gives_devices_or_findings(text: str) -> None:
    parsed = parse_prepared(text)
    assert parsed.devices or parsed.findings


CELL = st.one_of(
    st.sampled_from(["1", "hub", "module", "gas", "yes", "10 l", "flat", ""]), st.text(max_size=8)
)


@given(st.lists(st.lists(CELL, min_size=len(COLUMNS), max_size=len(COLUMNS)), max_size=4))
def test_any_cells_under_the_right_columns(rows: list[list[str]]) -> None:
    text = "\n".join([",".join(COLUMNS), *(",".join(row) for row in rows)])
    parsed = parse_prepared(text)
    assert all(finding.where and finding.what for finding in parsed.findings)


def test_too_long_a_list() -> None:
    assert faults("code,place\n" * 20_001) == ["list: 20001 lines: expected at most 20000"]
