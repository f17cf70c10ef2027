"""The gateway's file: what it means, and what is said about a wrong one."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.core.errors import InputError
from balans.gateway.config import PageConfig, parse_config, read_config
from balans.protocols.hub import TrustedKey
from balans.usecases.run_load_control import Sensor, SensorKind

PATH = Path("/etc/balans/house.toml")
GATEWAY = """
[gateway]
hub = "hub-1"
site = "house-1"
data_dir = "data"
mqtt_url = "mqtt://127.0.0.1:1883"
"""
KEY = "A" * 43 + "="
SITE = """
[site]
name = "house"
timezone = "Europe/Paris"
"""
LOADS = """
[[limit]]
name = "fuse"
kw = 3.0

[[load]]
name = "heater"
class = "yellow"
rated_w = 2000
"""


def test_keys_of_the_server() -> None:
    config = parse_config(f"{GATEWAY}[server]\nkeys = ['{KEY}']\n{SITE}", PATH)
    assert config.server_keys == (TrustedKey(bytes(32)),)
    assert parse_config(GATEWAY + SITE, PATH).server_keys == ()


def test_a_whole_file() -> None:
    config = parse_config(
        f"{GATEWAY}server_mqtt_url = 'mqtt://server'\nmetrics_port = 9102\nhealth_file = 'ok'\n"
        f"control = true\n{SITE}{LOADS}",
        PATH,
    )
    assert (config.hub, config.site) == ("hub-1", "house-1")
    assert config.data_dir == Path("/etc/balans/data")
    assert config.server_mqtt_url == "mqtt://server"
    assert (config.metrics_port, config.health_file) == (9102, Path("/etc/balans/ok"))
    assert config.controlled is not None
    assert [load.name for load in config.controlled.loads] == ["heater"]
    assert config.controlled.limits[0].limit_w == 3000.0


def test_what_may_be_left_out() -> None:
    text = GATEWAY.replace('mqtt_url = "mqtt://127.0.0.1:1883"', "")
    config = parse_config(text + SITE + LOADS, PATH, "mqtt://elsewhere")
    assert config.mqtt_url == config.server_mqtt_url == "mqtt://elsewhere"
    assert (config.metrics_port, config.health_file) == (None, None)


@pytest.mark.parametrize("text", [GATEWAY + SITE, GATEWAY + "control = false\n" + SITE + LOADS])
def test_without_loads_or_control_it_is_a_hub_only(text: str) -> None:
    assert parse_config(text, PATH).controlled is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "gateway is missing"),
        ("hub = ", "Invalid value"),
        (GATEWAY, "site is missing"),
        (SITE, "gateway is missing"),
        (GATEWAY.replace("hub-1", "hub 1") + SITE, "gateway.hub = 'hub 1'"),
        (GATEWAY.replace('site = "house-1"', "") + SITE, "gateway.site is missing"),
        (GATEWAY.replace("mqtt://", "http://") + SITE, "gateway.mqtt_url: the scheme is http"),
        (GATEWAY + "control = 'yes'\n" + SITE, "gateway.control = 'yes': expected true or false"),
        (GATEWAY + "metrics_port = 1.5\n" + SITE, "gateway.metrics_port = 1.5"),
        (GATEWAY + "metrics_port = 70000\n" + SITE, "gateway.metrics_port = 70000"),
        (GATEWAY + "colour = 'blue'\n" + SITE, "gateway.colour is not known"),
        (GATEWAY + SITE.replace("Paris", "Nowhere"), "site.timezone"),
        (GATEWAY + SITE + LOADS.replace("yellow", "pink"), "load[0].class = 'pink'"),
        (GATEWAY + SITE + LOADS.replace("rated_w = 2000", ""), "load[0].rated_w is missing"),
        (GATEWAY + "control = false\n" + SITE + LOADS.replace("yellow", "pink"), "'pink'"),
    ],
)
def test_a_wrong_file_is_refused_by_file_and_field(text: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_config(text, PATH)
    assert says in str(caught.value)
    assert str(PATH) in str(caught.value)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_config(tmp_path / "absent.toml")
    (tmp_path / "latin.toml").write_bytes(b"name = '\xe9'")
    with pytest.raises(InputError, match="not UTF-8 at byte 8"):
        read_config(tmp_path / "latin.toml")


@given(st.text(max_size=200))
def test_any_text_raises_only_input_errors(text: str) -> None:
    try:
        parse_config(text, PATH)
    except InputError:
        return


TREE = """
[[node]]
name = "flat-1"

[[load]]
name = "boiler"
class = "green"
rated_w = 1500
node = "flat-1"
"""


def test_sensor_page_tree_and_planner() -> None:
    config = parse_config(
        f"{GATEWAY}{SITE}{LOADS}{TREE}[sensor]\nkind = 'pulse'\nwh_per_pulse = 10\n"
        "[page]\nport = 8088\nhost = '0.0.0.0'\nkey = 'correct horse'\n"
        "hosts = ['house.example', 'fd00::2']\n[planner]\nevery_s = 600\n",
        PATH,
    )
    hosts = ("house.example", "fd00::2")
    assert config.page == PageConfig("0.0.0.0", 8088, "correct horse", hosts)  # noqa: S104
    site = config.controlled
    assert site is not None
    assert site.sensor == Sensor(SensorKind.PULSE, wh_per_pulse=10.0)
    assert [node.name for node in site.nodes] == ["flat-1"]
    assert site.planner is not None
    assert site.planner.every_s == 600


def test_without_the_tables_there_is_a_meter_no_page_and_no_planner() -> None:
    config = parse_config(GATEWAY + SITE + LOADS, PATH)
    assert config.page is None
    assert config.controlled is not None
    assert (config.controlled.sensor.kind, config.controlled.planner) == (SensorKind.METER, None)


def test_a_relay_is_a_limit_of_the_device() -> None:
    config = parse_config(
        f"{GATEWAY}{SITE}{LOADS}[sensor]\nkind = 'relay'\nthreshold_kw = 4.5\n", PATH
    )
    assert config.controlled is not None
    assert [(limit.name, limit.limit_w) for limit in config.controlled.limits] == [
        ("fuse", 3000.0),
        ("relay", 4500.0),
    ]


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ("[sensor]\n", "sensor.kind is missing: expected one of meter, pulse, relay"),
        ("[sensor]\nkind = 'eye'\n", "sensor.kind = 'eye': expected one of meter, pulse, relay"),
        ("[sensor]\nkind = 'pulse'\n", "sensor.wh_per_pulse is missing"),
        ("[sensor]\nkind = 'relay'\nthreshold_kw = 0\n", "sensor.threshold_kw = 0: expected"),
        ("[sensor]\nkind = 'meter'\nwh_per_pulse = 1\n", "sensor.wh_per_pulse is not known here"),
        ("[server]\n", "server.keys is missing: expected a list of 1 to 16 public keys"),
        ("[server]\nkeys = []\n", "server.keys = []: expected a list of 1 to 16"),
        ("[server]\nkeys = 'x'\n", "server.keys = 'x': expected a list"),
        ("[server]\nkeys = ['x']\n", "server.keys: 'x': expected 32 bytes in base64"),
        ("[server]\nkeys = [1]\n", "server.keys: 1: expected 32 bytes in base64"),
        (f"[server]\nkeys = ['{'A' * 42}']\n", "expected 32 bytes in base64"),
        (f"[server]\nkeys = ['{KEY}', '{KEY}']\n", "server.keys: a key stands there twice"),
        (f"[server]\nkeys = ['{KEY}']\nsecret = 'x'\n", "server.secret is not known here"),
        ("[page]\n", "page.port is missing: expected"),
        ("[page]\nport = 70000\n", "page.port = 70000: expected a number"),
        ("[page]\nport = 80\nkey = 'short'\n", "page.key is too short: expected 8 letters"),
        ("[page]\nport = 80\nhosts = 'x'\n", "page.hosts = 'x': expected a list of names"),
        ("[page]\nport = 80\nhosts = ['a:80']\n", "page.hosts: 'a:80': expected a name"),
        ("[page]\nport = 80\nhosts = [1]\n", "page.hosts: 1: expected a name"),
        ("[page]\nport = 80\nhosts = ['']\n", "page.hosts: '': expected a name"),
        ("[page]\nport = 80\npassword = 'x'\n", "page.password is not known here"),
    ],
)
def test_mistakes_in_the_new_tables_are_named(tables: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_config(GATEWAY + SITE + LOADS + tables, PATH)
    assert told in str(caught.value)
