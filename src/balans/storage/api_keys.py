"""Keys of programs: each acts for its owner, on a subtree, for some purposes, until it ends.

A key is ``balans_<ident>_<secret>``. Of the secret only a digest is kept: it has 256 random bits,
so that nobody guesses it and no slow hash is needed. A key never does more than its owner may at
the time of use, and stops when the owner's account does.
"""

import hashlib
import hmac
import secrets
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

from balans.core.errors import InputError
from balans.core.text import printable
from balans.storage import access
from balans.storage.access import Bound, ForbiddenError, NotVisibleError, Right
from balans.storage.commands import Author
from balans.storage.scope import system_scope
from balans.usecases.rights import SCOPES, Scope, rights_of_scopes

__all__ = ["ApiKey", "Caller", "KeyOrder", "NewKey", "Scope", "caller_of", "create", "revoke"]

MARK: Final = "balans"
IDENT_LETTERS: Final = string.ascii_lowercase + string.digits
IDENT_LENGTH: Final = 10
SECRET_BYTES: Final = 32
NAME_MAX: Final = 100
USE_NOTED_EVERY: Final = timedelta(minutes=1)
KEYS_MAX: Final = 100
"""So many keys in force a person may own: more are a mistake of a program."""


@dataclass(frozen=True, slots=True)
class KeyOrder:
    """What a new key shall be: its name, the node on and below which it works, and until when."""

    name: str
    node_code: str
    scopes: frozenset[Scope]
    expires: datetime | None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is listed; its secret is known to its owner alone."""

    id: int
    ident: str
    name: str
    owner: str
    node_code: str
    node_name: str
    scopes: tuple[Scope, ...]
    created: datetime
    expires: datetime | None
    last_used: datetime | None
    revoked: datetime | None
    revoked_by: str

    def is_in_force(self, now: datetime) -> bool:
        """Return whether the key opens anything at `now`."""
        return self.revoked is None and (self.expires is None or now < self.expires)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made, and its text, which cannot be shown again."""

    key: ApiKey
    text: str


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks by a key: its owner, held to what the key is for. An `access.Person`."""

    pk: int
    tenant_id: int
    is_active: bool
    username: str
    ident: str
    scopes: frozenset[Scope]
    bound: Bound

    def get_username(self) -> str:
        """Return the name of the owner's account, with which the history is signed."""
        return self.username


def create(owner: Author, order: KeyOrder, now: datetime) -> NewKey:
    """Make a key for `owner`. Call inside a scope.

    Parameters
    ----------
    owner
        For whom the key acts; needs on the node a right that each of the scopes lends.
    order
        What it shall be.
    now
        By the system's clock: keys end in the time of people, whatever a replay says.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `access.node_for`.
    InputError
        If the order has no name or no scope, ends before it begins, or is one too many.
    """
    _check(order, now)
    node = access.node_for(owner, order.node_code)
    rights = access.rights_on(owner, node)
    idle = sorted(scope for scope in order.scopes if not SCOPES[scope] & rights)
    if idle:
        raise ForbiddenError(f"node {node.code}: the rights for {', '.join(idle)} are missing")
    in_force = [key for key in owned_by(owner) if key.is_in_force(now)]
    if len(in_force) >= KEYS_MAX:
        raise InputError(f"name: {KEYS_MAX} keys are in force already; revoke what is not used")
    ident = "".join(secrets.choice(IDENT_LETTERS) for _ in range(IDENT_LENGTH))
    secret = secrets.token_urlsafe(SECRET_BYTES)
    row: list[Any] = [
        owner.tenant_id,
        ident,
        _digest(secret),
        order.name.strip(),
        owner.pk,
        node.id,
        sorted(order.scopes),
        now,
        order.expires,
    ]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, row)
        (key_id,) = cursor.fetchone()
    return NewKey(_select("k.id = %s", [key_id])[0], f"{MARK}_{ident}_{secret}")


def owned_by(person: Author) -> list[ApiKey]:
    """Return the keys of `person`, the newest first. Call inside a scope."""
    return _select("k.user_id = %s", [person.pk])


def of_others(person: Author) -> list[ApiKey]:
    """Return the keys that others have where `person` may give and take access, newest first.

    Call inside a scope.
    """
    paths = access.granted_paths(person, Right.ACCESS)
    if not paths:
        return []
    return _select("n.path <@ any(%s::ltree[]) and k.user_id <> %s", [paths, person.pk])


def revoke(person: Author, key_id: int, now: datetime) -> ApiKey:
    """End a key at once: an own one, or one where `person` may take access. Call inside a scope.

    Raises
    ------
    NotVisibleError
        If there is no such key for this person.
    """
    found = [key for key in (*owned_by(person), *of_others(person)) if key.id == key_id]
    if not found:
        raise NotVisibleError(f"key {key_id}: not found")
    with connection.cursor() as cursor:
        cursor.execute(
            "update api_key set revoked = %s, revoked_by = %s where id = %s and revoked is null",
            [now, person.get_username(), key_id],
        )
    return _select("k.id = %s", [key_id])[0]


def caller_of(text: str, now: datetime) -> Caller | None:
    """Return who asks with the key `text` at `now`, None if it opens nothing.

    Opens a scope of its own, over all tenants: whose the key is turns out here.

    Raises
    ------
    UnavailableError
        If the database cannot be used now.
    """
    mark, _, rest = text.partition("_")
    ident, _, secret = rest.partition("_")
    if mark != MARK or not _is_ident(ident) or not secret.isascii():
        return None
    with system_scope(actor="api"), connection.cursor() as cursor:
        cursor.execute(_FIND, [ident])
        row = cursor.fetchone()
        if row is None or not hmac.compare_digest(_digest(secret), bytes(row[1])):
            return None
        key_id, _, pk, tenant_id, active, username, scopes, path, expires, revoked, used = row
        if revoked is not None or (expires is not None and expires <= now) or not active:
            return None
        if used is None or now - used >= USE_NOTED_EVERY:
            cursor.execute("update api_key set last_used = %s where id = %s", [now, key_id])
    known = _scopes(scopes)
    bound = Bound(path, rights_of_scopes(known))
    return Caller(pk, tenant_id, active, username, ident, frozenset(known), bound)


def _check(order: KeyOrder, now: datetime) -> None:
    name = order.name.strip()
    if not 0 < len(name) <= NAME_MAX or printable(name) != name:
        raise InputError(f"name: expected 1 to {NAME_MAX} printable characters")
    if not order.scopes:
        raise InputError("scopes: expected at least one")
    if order.expires is not None and order.expires <= now:
        raise InputError("expires: expected a time to come")


def _is_ident(text: str) -> bool:
    return len(text) == IDENT_LENGTH and all(letter in IDENT_LETTERS for letter in text)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _scopes(names: Iterable[str]) -> tuple[Scope, ...]:
    """Return the scopes that this release knows: one that it has given up opens nothing."""
    known = {scope.value for scope in Scope}
    return tuple(Scope(name) for name in names if name in known)


def _select(where: str, values: Sequence[Any]) -> list[ApiKey]:
    with connection.cursor() as cursor:
        cursor.execute(f"{_SELECT} where {where} order by k.id desc", list(values))
        rows = cursor.fetchall()
    return [_key(*row) for row in rows]


def _key(*row: Any) -> ApiKey:
    values = [*row[:6], _scopes(row[6]), *row[7:]]
    return ApiKey(*values)


_INSERT = """
insert into api_key
  (tenant_id, ident, digest, name, user_id, node_id, scopes, created, expires)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s) returning id
"""
_SELECT = """
select k.id, k.ident, k.name, u.username, n.code, n.name, k.scopes, k.created, k.expires,
  k.last_used, k.revoked, k.revoked_by
from api_key k join account u on u.id = k.user_id join node n on n.id = k.node_id
"""
_FIND = """
select k.id, k.digest, u.id, k.tenant_id, u.is_active, u.username, k.scopes, n.path::text,
  k.expires, k.revoked, k.last_used
from api_key k join account u on u.id = k.user_id join node n on n.id = k.node_id
where k.ident = %s
"""
