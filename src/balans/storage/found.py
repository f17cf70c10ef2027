"""Devices that announced themselves and that nobody has registered.

A module is found by the tenant whose hub heard it. A hub that is not registered is nobody's: its
row has no tenant and no tenant sees it, until somebody shows the secret of its label. What is
registered elsewhere is never found, so that no tenant learns of the devices of another.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection

from balans.core.text import printable
from balans.core.words import DeviceKind
from balans.storage import prepared
from balans.storage.found_devices import DISPUTE
from balans.storage.import_hub import is_import_hub

KEPT: Final = timedelta(days=30)
"""Hubs of nobody that have been silent for so long are forgotten."""

TEXT_MAX: Final = 100
MOST: Final = 20_000
"""So many devices are kept for a tenant, and of nobody: whoever makes up codes fills no disk."""

CLAIM: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A device that announced itself.

    Parameters
    ----------
    kind, code
        What it is: a hub by its code, a module by its serial number.
    tenant_id, hub_id
        A module: whose hub heard it, and which. A hub that is not registered has neither.
    inputs, has_adapter, model, software
        What it says of itself; `inputs` is how many it has, 0 if it does not say.
    claim
        `balans.protocols.claim.claim_of` the secret on its label; "" if it tells none.
    """

    kind: DeviceKind
    code: str
    tenant_id: int | None = None
    hub_id: int | None = None
    inputs: int = 0
    has_adapter: bool = False
    model: str = ""
    software: str = ""
    claim: str = ""


def note(heard: Iterable[Heard], at: datetime) -> int:
    """Keep what announced itself at `at`, in the present transaction; return how many are open.

    Call inside a system scope, with the time by the clock of the sites. What is registered, here
    or elsewhere, is passed over; the hub of a registered module that has none yet is the one that
    heard it. The same device heard again is the same row. What was prepared is accepted by itself.
    """
    unknown = [*_unknown_hubs(heard := list(heard)), *_unknown_modules(heard)]
    prepared.lock_waiting(int(one.code) for one in unknown if one.kind == DeviceKind.MODULE)
    unknown = _with_room(unknown)
    for one in unknown:
        _keep(one, at)
    return len(unknown) - sum(_accept(one, at) for one in unknown)


def forget_silent(now: datetime) -> int:
    """Delete hubs of nobody that were last heard `KEPT` ago; return how many. In a system scope."""
    with connection.cursor() as cursor:
        cursor.execute(
            "delete from found_device where tenant_id is null and last_seen < %s", [now - KEPT]
        )
        return int(cursor.rowcount)


def _unknown_hubs(heard: Iterable[Heard]) -> list[Heard]:
    hubs = {
        one.code: one for one in heard if one.kind == DeviceKind.HUB and not is_import_hub(one.code)
    }
    if not hubs:
        return []
    with connection.cursor() as cursor:
        cursor.execute("select code from hub where code = any(%s)", [list(hubs)])
        registered = {code for (code,) in cursor.fetchall()}
    return [one for code, one in hubs.items() if code not in registered]


def _unknown_modules(heard: Iterable[Heard]) -> list[Heard]:
    modules = {
        (one.tenant_id, int(one.code)): one
        for one in heard
        if one.kind == DeviceKind.MODULE and one.tenant_id is not None
    }
    if not modules:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "select serial, tenant_id, removed_at is null, hub_id is null from module"
            " where serial = any(%s)",
            [[serial for _, serial in modules]],
        )
        registered = {row[0]: row[1:] for row in cursor.fetchall()}
    for (tenant_id, serial), one in modules.items():
        if registered.get(serial) == (tenant_id, True, True):
            _give_hub(one, serial)
    return [
        one
        for (tenant_id, serial), one in modules.items()
        if serial not in registered or registered[serial][:2] == (tenant_id, False)
    ]


def _with_room(unknown: list[Heard]) -> list[Heard]:
    """Return those of `unknown` that are kept already, awaited, or that there is room for."""
    if not unknown:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "select tenant_id, kind, code from found_device where (kind, code) in"
            " (select * from unnest(%s::text[], %s::text[]))",
            [[one.kind.value for one in unknown], [one.code for one in unknown]],
        )
        kept = set(cursor.fetchall())
        cursor.execute(_AWAITED, [[one.code for one in unknown]])
        awaited = set(cursor.fetchall())
        cursor.execute("select tenant_id, count(*) from found_device group by tenant_id")
        room = {tenant_id: MOST - n for tenant_id, n in cursor.fetchall()}
    found = []
    for one in unknown:
        if (one.tenant_id, one.kind.value, one.code) not in kept | awaited:
            room[one.tenant_id] = room.get(one.tenant_id, MOST) - 1
            if room[one.tenant_id] < 0:
                continue
        found.append(one)
    return found


def _give_hub(one: Heard, serial: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "update module set hub_id = %s where serial = %s and tenant_id = %s and hub_id is null",
            [one.hub_id, serial, one.tenant_id],
        )


def _accept(one: Heard, at: datetime) -> bool:
    if one.kind == DeviceKind.MODULE and one.tenant_id is not None:
        return prepared.accept_module(one.tenant_id, one.code, one.claim, at)
    with connection.cursor() as cursor:
        cursor.execute(
            "select from found_device where tenant_id is null and kind = 'hub' and code = %s"
            " and other_claim_seen > %s",
            [one.code, at - DISPUTE],
        )
        disputed = bool(cursor.rowcount)
    return not disputed and prepared.accept_hub(one.code, one.claim, at)


def _keep(one: Heard, at: datetime) -> None:
    claim = one.claim if CLAIM.fullmatch(one.claim) else ""
    with connection.cursor() as cursor:
        cursor.execute(
            _KEEP,
            {
                "tenant_id": one.tenant_id,
                "kind": one.kind.value,
                "code": one.code,
                "hub_id": one.hub_id,
                "inputs": one.inputs,
                "has_adapter": one.has_adapter,
                "model": printable(one.model)[:TEXT_MAX],
                "software": printable(one.software)[:TEXT_MAX],
                "claim": claim,
                "at": at,
                "dispute": at - DISPUTE,
            },
        )


_AWAITED = """
select distinct case when kind = 'module' then tenant_id end, kind, code from prepared_device
where state = 'waiting' and code = any(%s)
"""
"""A hub is awaited by whoever holds its label; as long as it is nobody's it has no tenant."""
_KEEP = """
insert into found_device as f (tenant_id, kind, code, hub_id, inputs, has_adapter, model,
  software, claim, claim_seen, first_seen, last_seen)
values (%(tenant_id)s, %(kind)s, %(code)s, %(hub_id)s, %(inputs)s, %(has_adapter)s,
  %(model)s, %(software)s, %(claim)s,
  case when %(claim)s <> '' then %(at)s::timestamptz end, %(at)s, %(at)s)
on conflict (tenant_id, kind, code) do update set
  hub_id = excluded.hub_id, n = f.n + 1, last_seen = greatest(f.last_seen, excluded.last_seen),
  inputs = greatest(excluded.inputs, f.inputs),
  has_adapter = excluded.has_adapter or (f.has_adapter and excluded.model = ''),
  model = coalesce(nullif(excluded.model, ''), f.model),
  software = coalesce(nullif(excluded.software, ''), f.software),
  -- an accepted device that is heard as unknown was removed since
  state = case when f.state = 'accepted' then 'found' else f.state end,
  claim = case when f.claim_seen is null or f.claim_seen < %(dispute)s
               then excluded.claim else f.claim end,
  claim_seen = case when f.claim_seen is null or f.claim_seen < %(dispute)s
                      or f.claim = excluded.claim
                    then excluded.claim_seen else f.claim_seen end,
  other_claim_seen = case when f.claim_seen >= %(dispute)s and excluded.claim <> ''
                            and f.claim <> excluded.claim
                          then excluded.claim_seen else f.other_claim_seen end
"""
