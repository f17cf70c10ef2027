"""The MQTT client of daemons: one connection that comes back by itself."""

from balans.adapters.mqtt.link import Link, Will
from balans.protocols.address import BrokerAddress, parse_broker_address

__all__ = ["BrokerAddress", "Link", "Will", "parse_broker_address"]
