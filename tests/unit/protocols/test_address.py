"""Addresses of brokers: parsed, masked, refused with a message that repeats no password."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.core.errors import InputError
from balans.protocols.address import BrokerAddress, parse_broker_address


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://localhost", BrokerAddress("localhost")),
        ("mqtt://10.0.0.7:1884/", BrokerAddress("10.0.0.7", 1884)),
        ("mqtt://[::1]:1883", BrokerAddress("::1")),
        ("mqtt://hub@host:1", BrokerAddress("host", 1, "hub")),
        ("mqtt://hub:p%3A%2F%40@host", BrokerAddress("host", 1883, "hub", "p:/@")),
    ],
)
def test_parts(url: str, expected: BrokerAddress) -> None:
    assert parse_broker_address(url) == expected


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "the scheme is missing"),
        ("localhost:1883", "the scheme is localhost"),
        ("http://host", "the scheme is http"),
        ("mqtts://u:secret@host", "the scheme is mqtts"),
        ("mqtt://", "no usable host"),
        ("mqtt://u:secret@", "no usable host"),
        ("mqtt://a host", "no usable host"),
        ("mqtt://u:secret@host:port", "the port is not a number"),
        ("mqtt://u:secret@host:70000", "the port is not a number"),
        ("mqtt://u:secret@[::1", "not an address"),
        ("mqtt://u:secret@host/topic", "nothing may follow the port"),
        ("mqtt://u:secret@host?x=1", "nothing may follow the port"),
    ],
)
def test_refused(url: str, said: str) -> None:
    with pytest.raises(InputError, match=f"BALANS_MQTT_URL: .*{said}") as caught:
        parse_broker_address(url)
    assert "secret" not in str(caught.value)


def test_the_place_of_the_mistake_is_named() -> None:
    with pytest.raises(InputError, match=r"^site.toml: mqtt.url: the scheme is missing"):
        parse_broker_address("host", "site.toml: mqtt.url")


def test_shown_without_password() -> None:
    assert str(parse_broker_address("mqtt://hub:secret@host")) == "mqtt://hub:***@host:1883"
    assert str(parse_broker_address("mqtt://[::1]")) == "mqtt://[::1]:1883"


@given(st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for url in (text, f"mqtt://{text}"):
        try:
            address = parse_broker_address(url)
        except InputError:
            continue
        assert address.host
        assert 0 <= address.port <= 65535
