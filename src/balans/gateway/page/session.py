"""Who may see and set something: one key for the house, sessions, and a guard against guessing.

A session is a random cookie that lives in memory only. Every form carries a token derived from
it, so that another site cannot post with the cookie alone; besides, the cookie is `SameSite`.
"""

import hmac
import secrets
from dataclasses import dataclass, field
from hashlib import sha256

COOKIE = "balans_session"
LASTS_S = 12 * 3600.0
SESSIONS_MAX = 50
TRIES, TRIES_S = 5, 60.0
"""So many wrong keys are let pass in so many seconds."""


@dataclass(slots=True)
class Sessions:
    """The sessions of one process. Times are seconds of a steady clock."""

    key: str
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _ends: dict[str, float] = field(default_factory=dict)
    _failed: list[float] = field(default_factory=list)

    def is_open(self, session: str | None, at_s: float) -> bool:
        """Tell whether `session` is one of ours, and not over."""
        return session is not None and self._ends.get(session, 0.0) > at_s

    def must_wait(self, at_s: float) -> bool:
        """Tell whether too many wrong keys were tried lately."""
        self._failed = [one for one in self._failed if at_s - one < TRIES_S]
        return len(self._failed) >= TRIES

    def open(self, key: str, at_s: float) -> str | None:
        """Return a new session for the right key, None for another."""
        if not hmac.compare_digest(key.strip().encode(), self.key.encode()):
            self._failed.append(at_s)
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
