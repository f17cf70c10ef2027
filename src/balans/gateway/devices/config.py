"""The tables ``[[device]]`` and ``[devices]`` of a gateway's file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from balans.adapters.devices import DECODERS, PortAddress, definition_at, parse_port
from balans.adapters.devices.port import SPEEDS
from balans.core.errors import InputError
from balans.domain.devices import Device, Format
from balans.protocols.address import parse_broker_address
from balans.usecases.device_definition import parameters_of
from balans.usecases.toml_table import TomlTable, one_table, sub_tables

SERIAL_MAX = 2**32 - 1


@dataclass(frozen=True, slots=True)
class DevicesConfig:
    """The devices of a site.

    mqtt_url
        The broker that they speak to.
    devices
        By name; each is fresh, without anything remembered.
    ports
        Where telegrams come from that no broker brings, by name of the device.
    """

    mqtt_url: str
    devices: dict[str, Device]
    ports: dict[str, PortAddress]


def devices_of(root: TomlTable, folder: Path, mqtt_url: str) -> DevicesConfig | None:
    """Return the devices in the file with the table `root`; None where there are none.

    Parameters
    ----------
    folder
        Where the file is; definitions of the site's own are beside it.
    mqtt_url
        The broker, unless ``[devices]`` names another.

    Raises
    ------
    InputError
        Naming file, table, field and value.
    """
    if root.has("devices"):
        own = one_table(root, "devices")
        mqtt_url = own.text("mqtt_url", "mqtt://[user[:password]@]host[:port]")
        parse_broker_address(mqtt_url, f"{own.file}: {own.place}.mqtt_url")
        own.finish()
    devices: dict[str, Device] = {}
    ports: dict[str, PortAddress] = {}
    for row in sub_tables(root, "device"):
        name = row.name()
        if name in devices:
            raise row.fail("name", "a name that no other device has")
        devices[name] = _device(row, name, folder)
        if row.has("port"):
            ports[name] = _port(row, devices[name])
        row.finish()
        _check_serials(row, name, devices)
    return DevicesConfig(mqtt_url, devices, ports) if devices else None


def _device(row: TomlTable, name: str, folder: Path) -> Device:
    definition = definition_at(row.text("definition", "a name such as tasmota, or a file"), folder)
    parameters = {"device": name}
    if row.has("with"):
        inner = one_table(row, "with")
        inner.place = f"{row.place}.with"
        parameters |= parameters_of(inner)
    serial = _serial(row)
    channels = _channels(row, [rule.name for rule in definition.channels])
    try:
        device = Device(definition, parameters, serial, channels, DECODERS)
    except InputError as error:
        raise InputError(f"{row.file}: {row.place} ({name}): {error}") from None
    return device


def _port(row: TomlTable, device: Device) -> PortAddress:
    if any(rule.format is not Format.P1 for rule in device.definition.messages):
        raise row.fail("port", "none: this device speaks to a broker")
    speed = row.number("speed", 0, 1e6, max(SPEEDS))
    if speed not in SPEEDS:
        raise row.fail("speed", "one of " + ", ".join(str(one) for one in SPEEDS))
    text = row.text("port", "/dev/… or tcp://host:port")
    return parse_port(text, int(speed), f"{row.file}: {row.place}.port")


def _serial(row: TomlTable) -> int:
    serial = row.number("serial", 1, SERIAL_MAX)
    if serial != int(serial):
        raise row.fail("serial", "a whole number")
    return int(serial)


def _channels(row: TomlTable, known: Sequence[str]) -> Sequence[str]:
    """Return the channels wanted; where a device has several somebody has to say which."""
    if not row.has("channels") and len(known) == 1:
        return known
    names: Any = row.values.get("channels")
    good = isinstance(names, list) and names and all(name in known for name in names)
    if not good or len(set(names)) != len(names):
        raise row.fail("channels", "a list of some of " + ", ".join(known) + ", each once")
    return list(names)


def _check_serials(row: TomlTable, name: str, devices: dict[str, Device]) -> None:
    mine = devices[name].serials
    if mine[-1] > SERIAL_MAX:
        raise row.fail("serial", f"room for {len(mine)} serial numbers up to {SERIAL_MAX}")
    for other, device in devices.items():
        if other != name and set(mine) & set(device.serials):
            taken = ", ".join(str(serial) for serial in device.serials)
            raise row.fail("serial", f"one that is free: {other} takes {taken}")
