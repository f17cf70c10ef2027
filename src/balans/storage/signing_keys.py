"""Public halves of the keys with which a tenant's head-end signs what binds its gateways.

The private halves are files beside the data and never enter the database. `key_rings` opens its
own scope; the rest is called inside a scope of the tenant. Listeners on `CHANNEL` learn after
COMMIT that a key, a programme or who takes part in it has changed.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import IntegrityError, connection, transaction

from balans.core.errors import InputError
from balans.protocols.hub import TrustedKey, key_id
from balans.storage import generation
from balans.storage.scope import system_scope

CHANNEL: Final = "balans_groups"
ACTOR: Final = "headend"
NO_KEY: Final = "no key yet: `balans key new {}` on the server makes one"


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """A public key, and when what it signs is to be believed [not_before, not_after)."""

    ident: str
    public: bytes
    created: datetime
    author: str
    not_before: datetime
    not_after: datetime | None

    def holds(self, at: datetime) -> bool:
        """Return whether the key may be used at `at`."""
        return self.not_before <= at and (self.not_after is None or at < self.not_after)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys of a tenant, the newest last; `version` grows with every change of them."""

    tenant_id: int
    tenant_code: str
    version: int
    keys: tuple[KeyInfo, ...]

    def trusted(self, at: datetime) -> tuple[TrustedKey, ...]:
        """Return the keys as gateways are told of them at `at`: those that have not ended."""
        return tuple(
            TrustedKey(
                one.public,
                one.not_before.timestamp(),
                None if one.not_after is None else one.not_after.timestamp(),
            )
            for one in self.keys
            if one.not_after is None or at < one.not_after
        )


def add_key(tenant_id: int, public: bytes, author: str, now: datetime) -> KeyInfo:
    """Keep a public key of a tenant, good from now on.

    Raises
    ------
    InputError
        If the tenant has it already.
    """
    ident = key_id(public)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "insert into signing_key (tenant_id, ident, public, created, author, not_before)"
                " values (%s, %s, %s, %s, %s, %s)",
                [tenant_id, ident, public, now, author, now],
            )
    except IntegrityError as error:
        raise InputError(f"key {ident}: is there already") from error
    return KeyInfo(ident, public, now, author, now, None)


def end_keys(tenant_id: int, until: datetime, *, but: str) -> int:
    """Let a tenant's keys but `but` end at `until`, unless they end sooner; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "update signing_key set not_after = greatest(%s, not_before + interval '1 second')"
            " where tenant_id = %s and ident <> %s and (not_after is null or not_after > %s)",
            [until, tenant_id, but, until],
        )
        return int(cursor.rowcount)


def keys_of(tenant_id: int) -> list[KeyInfo]:
    """Return the keys of a tenant, the oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(f"{_KEYS} where tenant_id = %s order by id", [tenant_id])
        return [_info(row[1:]) for row in cursor.fetchall()]


def has_key(tenant_id: int, at: datetime) -> bool:
    """Return whether the tenant has a key that may be used at `at`."""
    return any(one.holds(at) for one in keys_of(tenant_id))


def key_rings() -> dict[int, KeyRing]:
    """Return the keys of all tenants that have any, by the tenant's id."""
    with system_scope(ACTOR), connection.cursor() as cursor:
        cursor.execute(f"{_KEYS} order by id")
        keys: dict[int, list[KeyInfo]] = defaultdict(list)
        for row in cursor.fetchall():
            keys[row[0]].append(_info(row[1:]))
        cursor.execute(_VERSIONS, [list(keys)])
        return {
            tenant: KeyRing(tenant, code, version, tuple(keys[tenant]))
            for tenant, code, version in cursor.fetchall()
        }


def tenant_of_hub(hub_code: str) -> int | None:
    """Return the tenant of a hub, None for one that nobody has registered."""
    with system_scope(ACTOR), connection.cursor() as cursor:
        cursor.execute("select tenant_id from hub where code = %s", [hub_code])
        row = cursor.fetchone()
    return row and int(row[0])


_KEYS = "select tenant_id, ident, public, created, author, not_before, not_after from signing_key"
_VERSIONS = f"""
select t.id, t.code, {generation.NOW_SQL} + coalesce((select max(r.id) from registry_history r
  where r.table_name = 'signing_key' and r.tenant_id = t.id), 0)
from tenant t where t.id = any(%s)
"""


def _info(row: Sequence[Any]) -> KeyInfo:
    ident, public, *rest = row
    return KeyInfo(ident, bytes(public), *rest)
