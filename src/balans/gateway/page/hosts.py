"""Which host names the page answers to.

A page of another site whose name is pointed at the gateway (DNS rebinding) would be the same site
to a browser, and could read and post here. Its name still stands in the header ``Host``, so only
names that are known to be ours are answered.
"""

import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit


def host_of(header: str) -> str:
    """Return the host in a header ``Host``, without its port; "" where it makes no sense.

    >>> host_of("Gateway.local.:8088"), host_of("[::1]:8088"), host_of("a b"), host_of("a@b")
    ('gateway.local', '::1', '', '')
    """
    if not header or any(letter in header for letter in "@/?#\\ \t"):
        return ""
    try:
        host = urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""
    return _plain(host)


def _plain(host: str) -> str:
    """Return a name or an address as it is compared."""
    host = host.strip().lower().removesuffix(".")
    try:
        address = ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return host
    mapped = address.ipv4_mapped if address.version == 6 else None
    return str(mapped or address)


@dataclass(frozen=True, slots=True)
class Hosts:
    """The names that are ours: those given, the machine's own, and any address of its own."""

    given: Iterable[str] = ()
    _names: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        machine = socket.gethostname()
        own = ("localhost", "127.0.0.1", "::1", machine, f"{machine.partition('.')[0]}.local")
        names = frozenset(_plain(name) for name in (*own, *self.given))
        object.__setattr__(self, "_names", names)

    def are_ours(self, header: str, reached_at: str) -> bool:
        """Tell whether the header ``Host`` names this machine.

        `reached_at` is the address of this machine that the connection came in at.
        """
        host = host_of(header)
        return bool(host) and (host in self._names or host == _plain(reached_at))
