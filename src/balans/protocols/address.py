"""The address of a broker: ``mqtt://[user[:password]@]host[:port]``."""

from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from typing_extensions import override

from balans.core.errors import InputError

DEFAULT_PORT = 1883


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where a broker listens, and who we are there."""

    host: str
    port: int = DEFAULT_PORT
    username: str | None = None
    password: str | None = None

    @override
    def __str__(self) -> str:
        """Return the address with the password masked."""
        shown = (
            self.username and f"{quote(self.username, safe='')}{':***' if self.password else ''}@"
        )
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"mqtt://{shown or ''}{host}:{self.port}"


def parse_broker_address(url: str, name: str = "BALANS_MQTT_URL") -> BrokerAddress:
    """Return the parts of `url`.

    Parameters
    ----------
    name
        The variable or field the URL came from, for the message.

    Raises
    ------
    InputError
        Naming what is wrong; it repeats neither password nor user.

    >>> parse_broker_address("mqtt://hub:s%40lt@example.org")
    BrokerAddress(host='example.org', port=1883, username='hub', password='s@lt')
    """
    wanted = "expected mqtt://[user[:password]@]host[:port]"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InputError(f"{name}: {_without_login(str(error))}; {wanted}") from None
    if parts.scheme != "mqtt":
        raise InputError(f"{name}: the scheme is {parts.scheme or 'missing'}; {wanted}")
    if not parts.hostname or any(sign <= " " for sign in url):
        raise InputError(f"{name}: no usable host name; {wanted}")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise InputError(f"{name}: nothing may follow the port; {wanted}")
    return BrokerAddress(
        host=parts.hostname,
        port=DEFAULT_PORT if port is None else port,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )


def _without_login(message: str) -> str:
    """Cut what a library's message repeats of a URL that could not be taken apart."""
    return "the port is not a number from 0 to 65535" if "ort" in message else "not an address"
