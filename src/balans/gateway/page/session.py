"""Who may see and set something: one key for the house, sessions, and a guard against guessing.

Wrong keys are counted by the address they come from, so that nobody locks out others. When many
come from everywhere every try is made to wait a moment, the right key too, and none is refused.

A session is a random cookie that lives in memory only. Every form carries a token derived from
it, so that another site cannot post with the cookie alone; besides, the cookie is `SameSite`.
"""

import hmac
import secrets
from collections import defaultdict
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import ip_address, ip_network

COOKIE = "balans_session"
LASTS_S = 12 * 3600.0
SESSIONS_MAX = 50
TRIES, TRIES_S = 5, 60.0
"""So many wrong keys of an address are let pass in so many seconds."""
CEILING, SLOW_S = 20, 2.0
"""From so many wrong keys in that time on, whatever their addresses, a try takes so long."""
IPV6_HOME = 64
"""A house or a phone has all addresses of a prefix of this length."""


@dataclass(slots=True)
class Sessions:
    """The sessions of one process. Times are seconds of a steady clock."""

    key: str
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _ends: dict[str, float] = field(default_factory=dict)
    _failed: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def is_open(self, session: str | None, at_s: float) -> bool:
        """Tell whether `session` is one of ours, and not over."""
        return session is not None and self._ends.get(session, 0.0) > at_s

    def must_wait(self, peer: str, at_s: float) -> bool:
        """Tell whether too many wrong keys came from the address `peer` lately."""
        self._forget(at_s)
        return len(self._failed.get(home_of(peer), ())) >= TRIES

    def pause_s(self, at_s: float) -> float:
        """Return for how long a try has to wait before it is looked at [s]."""
        self._forget(at_s)
        return SLOW_S if sum(map(len, self._failed.values())) >= CEILING else 0.0

    def open(self, key: str, at_s: float, peer: str = "") -> str | None:
        """Return a new session for the right key; None for another, held against `peer`."""
        if not hmac.compare_digest(key.strip().encode(), self.key.encode()):
            self._failed[home_of(peer)].append(at_s)
            return None
        self._ends = {one: end for one, end in self._ends.items() if end > at_s}
        while len(self._ends) >= SESSIONS_MAX:
            del self._ends[min(self._ends, key=self._ends.__getitem__)]
        session = secrets.token_urlsafe(32)
        self._ends[session] = at_s + LASTS_S
        return session

    def close(self, session: str) -> None:
        """End `session`."""
        self._ends.pop(session, None)

    def token(self, session: str) -> str:
        """Return the token that forms of `session` carry."""
        return hmac.new(self._secret, session.encode(), sha256).hexdigest()

    def is_token(self, session: str, token: str) -> bool:
        """Tell whether `token` is that of `session`."""
        return hmac.compare_digest(self.token(session).encode(), token.encode())

    def _forget(self, at_s: float) -> None:
        for peer, failed in list(self._failed.items()):
            kept = [one for one in failed if at_s - one < TRIES_S]
            if kept:
                self._failed[peer] = kept
            else:
                del self._failed[peer]


def home_of(peer: str) -> str:
    """Return what the tries of the address `peer` are counted under.

    >>> home_of("192.168.1.7"), home_of("2001:db8:1:2:3::4"), home_of("::ffff:10.0.0.1")
    ('192.168.1.7', '2001:db8:1:2::/64', '10.0.0.1')
    """
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return peer
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_network((address, IPV6_HOME), strict=False))
