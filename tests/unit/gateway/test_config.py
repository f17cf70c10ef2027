"""The gateway's file: what it means, and what is said about a wrong one."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.core.errors import InputError
from balans.gateway.config import parse_config, read_config

PATH = Path("/etc/balans/house.toml")
GATEWAY = """
[gateway]
hub = "hub-1"
site = "house-1"
data_dir = "data"
mqtt_url = "mqtt://127.0.0.1:1883"
"""
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
