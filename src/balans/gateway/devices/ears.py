"""What devices are heard by: the broker that they speak to, and ports that they write to."""

from collections.abc import Coroutine
from functools import partial
from typing import Any, Protocol

from balans.adapters.devices import Port
from balans.adapters.mqtt import Link
from balans.gateway.devices.config import DevicesConfig


class Listener(Protocol):
    """Takes what is heard."""

    def take(self, topic: str, payload: bytes) -> None:
        """Take a message that has just been sent."""

    def take_kept(self, topic: str, payload: bytes) -> None:
        """Take a message that the broker had kept."""

    def take_telegram(self, name: str, telegram: bytes) -> None:
        """Take a telegram from the port of the device `name`."""


class Ears:
    """The connection to the broker of the devices, if any speaks to one, and all ports.

    Parameters
    ----------
    config
        Devices, ports and broker; a device with a port is not listened to at the broker.
    client_id
        Name at the broker.
    """

    def __init__(self, config: DevicesConfig, client_id: str, listener: Listener) -> None:
        self._ports = {
            name: Port(address, partial(listener.take_telegram, name))
            for name, address in config.ports.items()
        }
        spoken = [
            device.topics for name, device in config.devices.items() if name not in config.ports
        ]
        topics = sorted({topic for topics in spoken for topic in topics})
        self.links: list[Link] = []
        if topics:
            link = Link(config.mqtt_url, client_id, [(topic, 1) for topic in topics], listener.take)
            link.on_kept = listener.take_kept
            self.links.append(link)

    def jobs(self) -> list[Coroutine[Any, Any, None]]:
        """Return what listens until it is cancelled."""
        return [link.run() for link in self.links] + [port.run() for port in self._ports.values()]

    def troubles(self) -> list[str]:
        """Return what cannot be heard, in sentences; nothing if all is well."""
        lost = [
            f"devices: no connection to {one.address}" for one in self.links if not one.connected
        ]
        silent = [name for name, port in self._ports.items() if not port.connected]
        return [*lost, *(f"device {name}: nothing from its port" for name in silent)]
