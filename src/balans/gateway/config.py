"""The gateway's configuration: the file of a site, with a table ``[gateway]`` beside it."""

import binascii
import re
from base64 import b64decode
from dataclasses import dataclass, field
from pathlib import Path

from balans.core.errors import InputError
from balans.core.words import LimitSource
from balans.domain.demand.model import Limit
from balans.gateway.devices.config import DevicesConfig, devices_of
from balans.protocols.address import parse_broker_address
from balans.protocols.claim import plain_secret
from balans.protocols.hub import TrustedKey
from balans.usecases.run_load_control import METER, ControlledSite, Sensor, SensorKind
from balans.usecases.site_file import site_of
from balans.usecases.toml_table import TomlTable, one_table, parse_toml

LEAST_KEY = 8
PUBLIC_KEY_BYTES, KEYS_MAX = 32, 16
HOST_NAME = re.compile(r"[A-Za-z0-9_.-]{1,253}|(?=.*:.*:)[0-9A-Fa-f:.]{2,45}")
RELAY_LIMIT = "relay"
"""Name of the limit that an over-current relay is set to."""


@dataclass(frozen=True, slots=True)
class PageConfig:
    """Where the local page is served, and the key to it; None: one in a file beside the journal.

    `hosts` are further names that browsers may reach it by.
    """

    host: str
    port: int
    key: str | None
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """What a gateway needs to know.

    hub, site
        Names in topics.
    data_dir
        Journal, memory and limits.
    mqtt_url, server_mqtt_url
        Broker of the site bus, and the broker through which the head-end is reached.
    controlled
        The site under load control; None for a hub that only meters.
    metrics_port, health_file
        Where health and figures are shown; None: not.
    page
        The local page; None: there is none.
    devices
        Meters of others that speak for themselves; None: there are none.
    label_secret
        Secret on the label of the hub: who shows it to the server may claim the hub.
    server_keys
        With one of them the server signs; none: it need not, and no call is obeyed.
    """

    hub: str
    site: str
    data_dir: Path
    mqtt_url: str
    server_mqtt_url: str
    controlled: ControlledSite | None
    metrics_port: int | None
    health_file: Path | None
    page: PageConfig | None = None
    devices: DevicesConfig | None = None
    label_secret: str = field(default="", repr=False)
    server_keys: tuple[TrustedKey, ...] = ()


def read_config(path: Path, default_mqtt_url: str | None = None) -> GatewayConfig:
    """Return the configuration in the file at `path`; relative paths in it are beside it.

    Raises
    ------
    InputError
        Naming the file and the field that is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}") from error
    return parse_config(text, path, default_mqtt_url)


def parse_config(text: str, path: Path, default_mqtt_url: str | None = None) -> GatewayConfig:
    """Return the configuration in `text`, the content of `path`; errors as `read_config`."""
    root = parse_toml(text, str(path))
    own = one_table(root, "gateway")
    hub, site_code = own.name("hub"), own.name("site")
    mqtt_url = _url(own, "mqtt_url", default_mqtt_url)
    config = GatewayConfig(
        hub=hub,
        site=site_code,
        data_dir=path.parent / own.text("data_dir", "a folder"),
        mqtt_url=mqtt_url,
        server_mqtt_url=_url(own, "server_mqtt_url", mqtt_url),
        controlled=_controlled(root, own),
        metrics_port=_port(own, "metrics_port"),
        health_file=path.parent / own.text("health_file") if own.has("health_file") else None,
        page=_page(root),
        devices=devices_of(root, path.parent, mqtt_url),
        label_secret=_secret(own),
        server_keys=_server_keys(root),
    )
    own.finish()
    root.finish()
    return config


def _secret(own: TomlTable) -> str:
    if not own.has("label_secret"):
        return ""
    try:
        return plain_secret(own.text("label_secret", "the secret on its label"))
    except InputError as error:  # which does not repeat the secret
        raise InputError(f"{own.file}: {own.place}.label_secret: {error}") from error


def _server_keys(root: TomlTable) -> tuple[TrustedKey, ...]:
    """Return the keys in ``server.keys``, each 32 bytes in base64."""
    if not root.has("server"):
        return ()
    own = one_table(root, "server")
    texts = own.values["keys"] if own.has("keys") else None
    if not isinstance(texts, list) or not 1 <= len(texts) <= KEYS_MAX:
        raise own.fail("keys", f"a list of 1 to {KEYS_MAX} public keys, each in base64")
    keys = tuple(TrustedKey(_public_key(own, text)) for text in texts)
    if len(set(keys)) < len(keys):
        raise InputError(f"{own.file}: server.keys: a key stands there twice")
    own.finish()
    return keys


def _public_key(own: TomlTable, text: object) -> bytes:
    try:
        key = b64decode(str(text), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != PUBLIC_KEY_BYTES:
        raise InputError(
            f"{own.file}: server.keys: {text!r}: expected {PUBLIC_KEY_BYTES} bytes in base64, as "
            "`balans key list` shows them"
        )
    return key


def _url(own: TomlTable, key: str, default: str | None) -> str:
    if default is not None and not own.has(key):
        return default
    url = own.text(key, "mqtt://[user[:password]@]host[:port]")
    parse_broker_address(url, f"{own.file}: {own.place}.{key}")
    return url


def _port(own: TomlTable, key: str) -> int | None:
    if not own.has(key):
        return None
    port = own.number(key, 0, 65_535)
    if port != int(port):
        raise own.fail(key, "a whole number")
    return int(port)


def _page(root: TomlTable) -> PageConfig | None:
    if not root.has("page"):
        return None
    own = one_table(root, "page")
    host = own.text("host", "an address to listen on") if own.has("host") else "127.0.0.1"
    port = _port(own, "port")
    if port is None:
        raise own.fail("port", "a port such as 8088")
    key = own.text("key") if own.has("key") else None
    if key is not None and len(key.strip()) < LEAST_KEY:
        raise InputError(f"{own.file}: page.key is too short: expected {LEAST_KEY} letters or more")
    hosts = _hosts(own)
    own.finish()
    return PageConfig(host, port, key, hosts)


def _hosts(own: TomlTable) -> tuple[str, ...]:
    """Return the names in ``page.hosts``, each as it stands in an address, without a port."""
    if not own.has("hosts"):
        return ()
    names = own.values["hosts"]
    if not isinstance(names, list):
        raise own.fail("hosts", 'a list of names such as ["house.example"]')
    for name in names:
        if not (isinstance(name, str) and HOST_NAME.fullmatch(name)):
            raise InputError(
                f"{own.file}: page.hosts: {name!r}: expected a name such as house.example, "
                "without a port"
            )
    return tuple(names)


def _controlled(root: TomlTable, own: TomlTable) -> ControlledSite | None:
    """Return the site, None where nothing is to be controlled; wrong tables are told anyway."""
    wanted = own.values.get("control", True)
    if own.has("control") and not isinstance(wanted, bool):
        raise own.fail("control", "true or false")
    site = site_of(root, needs_profile=False)
    sensor = _sensor(root)
    if not wanted or not site.loads:
        return None
    own_limits = (Limit(RELAY_LIMIT, sensor.threshold_w, LimitSource.DEVICE),)
    is_relay = sensor.kind is SensorKind.RELAY
    return ControlledSite(
        site.loads,
        (*site.limits, *own_limits) if is_relay else site.limits,
        site.zones,
        site.timezone,
        site.nodes,
        site.devices,
        site.planner,
        sensor,
    )


def _sensor(root: TomlTable) -> Sensor:
    if not root.has("sensor"):
        return METER
    row = one_table(root, "sensor")
    kind = SensorKind(row.choice("kind", SensorKind))
    sensor = Sensor(kind)
    if kind is SensorKind.PULSE:
        sensor = Sensor(kind, wh_per_pulse=row.number("wh_per_pulse", low=0.001, high=1e6))
    if kind is SensorKind.RELAY:
        sensor = Sensor(kind, threshold_w=1000 * row.number("threshold_kw", low=0.01, high=1e6))
    row.finish()
    return sensor
