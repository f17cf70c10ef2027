"""Devices in the gateway's file: what they mean, and what is said about wrong ones."""

from pathlib import Path

import pytest
from tests.unit.gateway.test_config import GATEWAY, PATH, SITE

from balans.core.errors import InputError
from balans.gateway.config import parse_config

DEVICE = """
[[device]]
name = "boiler"
definition = "tasmota"
serial = 4000000001
channels = ["import"]
"""
P1 = """
[[device]]
name = "meter"
definition = "dsmr-p1"
serial = 4000000011
channels = ["import-t1", "import-t2", "export", "gas"]
with = { device = "house/p1" }
"""


def test_devices_with_their_topics_and_modules() -> None:
    config = parse_config(GATEWAY + SITE + DEVICE + P1, PATH)
    assert config.devices is not None
    assert config.devices.mqtt_url == config.mqtt_url
    boiler, meter = config.devices.devices["boiler"], config.devices.devices["meter"]
    assert (boiler.topics, list(boiler.serials)) == (["tele/boiler/SENSOR"], [4000000001])
    assert (meter.topics, list(meter.serials)) == (["house/p1"], [4000000011, 4000000012])
    assert meter.has(4000000012, 1)
    assert not meter.has(4000000012, 2)


def test_a_broker_of_their_own_and_none_without_devices() -> None:
    other = '[devices]\nmqtt_url = "mqtt://home"\n'
    config = parse_config(GATEWAY + SITE + other + DEVICE, PATH)
    assert config.devices is not None
    assert config.devices.mqtt_url == "mqtt://home"
    assert parse_config(GATEWAY + SITE, PATH).devices is None


def test_a_definition_beside_the_file_and_its_only_channel(tmp_path: Path) -> None:
    path = tmp_path / "house.toml"
    (tmp_path / "plug.toml").write_text(
        'title = "A plug"\nsource = "its maker"\nmax_gap_s = 900\nafter_reset = "zero"\n'
        '[[message]]\ntopic = "{device}"\nformat = "number"\n'
        '[[channel]]\nname = "count"\nunit = "pulse"\n'
    )
    text = DEVICE.replace('"tasmota"', '"plug.toml"').replace('channels = ["import"]', "")
    config = parse_config(GATEWAY + SITE + text, path)
    assert config.devices is not None
    assert config.devices.devices["boiler"].channels == ("count",)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('definition = "tasmota"', "", "device[0].definition is missing"),
        ('"tasmota"', '"tasmoda"', "no definition 'tasmoda': expected one of chirpstack"),
        ('"tasmota"', '"own.toml"', "/etc/balans/own.toml: "),
        ("serial = 4000000001", "serial = 0", "device[0].serial = 0"),
        ("serial = 4000000001", "serial = 1.5", "device[0].serial = 1.5: expected a whole number"),
        ("serial = 4000000001", "serial = 4000000012", "device[1].serial"),
        ('["import"]', '["gas"]', "device[0].channels = ['gas']: expected a list of some of"),
        ('["import"]', '["import", "import"]', "each once"),
        ('["import"]', '"import"', "device[0].channels"),
        ('["import"]', "[[1]]", "device[0].channels"),
        ('channels = ["import"]', "", "device[0].channels is missing"),
        ('name = "boiler"', 'name = "meter"', "device[1].name = 'meter'"),
        ('name = "boiler"', 'name = "a/b"', "device[0].name"),
        ('name = "boiler"', 'name = "boiler"\ncolour = 1', "device[0].colour is not known"),
        ('"house/p1"', '"house/#"', "device[1] (meter): device = 'house/#'"),
        ('"house/p1"', "7", "device[1].with.device = 7"),
        ("with = {", "with = { Sensor = 'x',", "device[1].with.Sensor"),
    ],
)
def test_a_wrong_device_says_where(old: str, new: str, complaint: str) -> None:
    text = DEVICE + P1
    assert old in text
    with pytest.raises(InputError) as told:
        parse_config(GATEWAY + SITE + text.replace(old, new, 1), PATH)
    assert complaint in str(told.value)


def test_a_meter_at_a_port() -> None:
    for port, told in [("/dev/ttyUSB0", "/dev/ttyUSB0"), ("tcp://p1:23", "p1")]:
        config = parse_config(GATEWAY + SITE + P1 + f'port = "{port}"\n', PATH)
        assert config.devices is not None
        address = config.devices.ports["meter"]
        assert told in (address.path, address.host)
    old = parse_config(GATEWAY + SITE + P1 + 'port = "/dev/ttyS0"\nspeed = 9600\n', PATH)
    assert old.devices is not None
    assert old.devices.ports["meter"].speed == 9600


def test_a_wrong_port_says_where() -> None:
    for text, complaint in [
        (P1 + 'port = "usb"', "device[0].port: 'usb': expected /dev/"),
        (
            P1 + 'port = "/dev/x"\nspeed = 300',
            "device[0].speed = 300: expected one of 9600, 115200",
        ),
        (DEVICE + 'port = "/dev/x"', "expected none: this device speaks to a broker"),
    ]:
        with pytest.raises(InputError) as told:
            parse_config(GATEWAY + SITE + text + "\n", PATH)
        assert complaint in str(told.value)


def test_a_missing_parameter_and_a_wrong_broker_say_where() -> None:
    esphome = DEVICE.replace("tasmota", "esphome")
    with pytest.raises(InputError, match=r"device\[0\] \(boiler\): .* needs a value for sensor"):
        parse_config(GATEWAY + SITE + esphome, PATH)
    with pytest.raises(InputError, match=r"devices\.mqtt_url"):
        parse_config(GATEWAY + SITE + "[devices]\nmqtt_url = 'http://x'\n" + DEVICE, PATH)
    last = DEVICE.replace("4000000001", "4294967295").replace('["import"]', '["import", "export"]')
    assert parse_config(GATEWAY + SITE + last, PATH).devices
    four = P1.replace("4000000011", "4294967295")
    with pytest.raises(InputError, match="room for 2 serial numbers"):
        parse_config(GATEWAY + SITE + four, PATH)
