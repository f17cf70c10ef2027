"""Telegrams of real meters, as the maintained parser keeps them for its own tests.

The file is read where it lies (`BALANS_DATA`, else ``../shared/data`` beside the checkout); without
it the tests are skipped. What is expected is read off the telegrams by eye.
"""

import importlib.util
import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from balans.adapters.devices import DECODERS, definition_at
from balans.domain.devices import Device, DeviceError, Format, Outcome

ROOT = Path(__file__).resolve().parents[2]
FILE = (
    Path(os.environ.get("BALANS_DATA") or ROOT.parent / "shared" / "data")
    / "protocol_samples/dsmr_p1/example_telegrams.py"
)
pytestmark = pytest.mark.skipif(not FILE.exists(), reason=f"needs {FILE.name} in BALANS_DATA")

USED, SENT = "ELECTRICITY_USED_TARIFF_", "ELECTRICITY_DELIVERED_TARIFF_"
EXPECTED: Mapping[str, Mapping[str, str]] = {
    "TELEGRAM_V2_2": {f"{USED}1": "1.001", f"{SENT}2": "1.001", "gas.m3": "1.001"},
    "TELEGRAM_V3": {f"{USED}1": "12345.678", "gas.m3": "1.001", "gas.time": "1234450800"},
    "TELEGRAM_V4_2": {
        "time": "1479067077",
        f"{USED}1": "1581.123",
        f"{USED}2": "1435.706",
        "gas.m3": "981.443",
        "gas.time": "1480446000",
    },
    "TELEGRAM_V5": {"time": "1483381202", f"{USED}2": "2.399", "gas.m3": "0.107"},
    "TELEGRAM_V5_TWO_MBUS": {f"{USED}1": "2130.115", "gas.m3": "246.138"},
    "TELEGRAM_FLUVIUS_V171": {f"{USED}2": "15.758", "gas.m3": "112.384", "water.m3": "872.234"},
    "TELEGRAM_SAGEMCOM_T210_D_R": {"ELECTRICITY_IMPORTED_TOTAL": "6545.766", f"{SENT}2": "0.058"},
    "TELEGRAM_V5_EON_HU": {"ELECTRICITY_IMPORTED_TOTAL": "173.640", f"{SENT}1": "401.829"},
    "TELEGRAM_UNPADDED_CRC": {"heat.GJ": "240.860"},
}


def telegrams() -> dict[str, bytes]:
    spec = importlib.util.spec_from_file_location("example_telegrams", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {
        name: text.encode("latin-1")
        for name, text in vars(module).items()
        if name.startswith("TELEGRAM")
    }


def found(document: Any, place: str) -> Any:
    for step in place.split("."):
        document = document[step]
    return document


@pytest.mark.parametrize("name", EXPECTED)
def test_what_a_telegram_says_is_understood(name: str) -> None:
    document = DECODERS[Format.P1](telegrams()[name])
    told = {place: Decimal(found(document, place)) for place in EXPECTED[name]}
    assert told == {place: Decimal(value) for place, value in EXPECTED[name].items()}


@pytest.mark.parametrize("name", ["TELEGRAM_V4_2", "TELEGRAM_V5", "TELEGRAM_FLUVIUS_V171"])
def test_a_digit_that_was_changed_on_the_way_is_noticed(name: str) -> None:
    data = telegrams()[name]
    at = data.index(b"1-0:1.8.1(") + 12
    spoilt = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    with pytest.raises(DeviceError, match=r"not a P1 telegram: .*CRC"):
        DECODERS[Format.P1](spoilt)


def test_line_ends_that_were_changed_on_the_way_are_mended() -> None:
    data = telegrams()["TELEGRAM_V5"]
    bare = data.replace(b"\r\n", b"\n")
    assert bare != data
    assert DECODERS[Format.P1](bare) == DECODERS[Format.P1](data)


def test_every_telegram_is_understood_or_refused_as_a_whole() -> None:
    definition = definition_at("dsmr-p1", Path())
    outcomes = {}
    for name, data in telegrams().items():
        device = Device(definition, {"device": "p1"}, 1, ["import"], DECODERS)
        taken = device.take("p1", data, 1.8e9)
        outcomes[name] = taken.outcome
        assert (device.state["import"].last is None) == (taken.outcome is not Outcome.USED)
    refused = {name for name, outcome in outcomes.items() if outcome is Outcome.REFUSED}
    assert refused == {
        "TELEGRAM_ESY5Q3DB1024_V304",  # no P1, but D0 with bytes behind it
        "TELEGRAM_ESY5Q3DA1004_V304",
        "TELEGRAM_ISKRA_IE",  # the file holds a control character in its first line
        "TELEGRAM_UNPADDED_CRC",  # a heat meter alone: no electricity
    }
