"""Places prepared for devices: what announces itself and stands here is accepted by itself.

Whoever prepares a device has the right to mount it there, which is asked for then. The secrets of
hubs are not kept, only the claim that they make (see `balans.protocols.claim`).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from hmac import compare_digest
from typing import Any, Final

from django.db import connection

from balans.core.errors import BalansError, Finding
from balans.core.words import DeviceKind, Phase, PointRole, PreparedState, Resource
from balans.protocols.claim import claim_of
from balans.storage import access, lookups
from balans.storage.access import Right
from balans.storage.commands import Author
from balans.storage.hubs import HubOrder, add_hub
from balans.storage.models import Module
from balans.storage.mounting import lock_module, mount_at
from balans.storage.records import NodeInfo
from balans.storage.scope import system_scope, tenant_scope
from balans.usecases.mount_order import InputOrder, MountOrder
from balans.usecases.prepared_list import PreparedDevice

LISTED_MAX: Final = 1000
DETAIL_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class PreparedInfo:
    """A prepared device as pages show it."""

    id: int
    kind: DeviceKind
    code: str
    place: str
    place_name: str
    name: str
    has_adapter: bool
    inputs: tuple[InputOrder, ...]
    state: PreparedState
    detail: str
    author: str
    created: datetime
    done_at: datetime | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What preparing a list did. With `findings` nothing was kept.

    `accepted` of them had announced themselves before, and were accepted at once.
    """

    prepared: int = 0
    unchanged: int = 0
    accepted: int = 0
    findings: tuple[Finding, ...] = ()


def prepare(author: Author, devices: Sequence[PreparedDevice], now: datetime) -> Outcome:
    """Keep places for `devices`, all of them or none; the same list again changes nothing.

    Call inside a scope of the tenant.
    """
    places, findings = _places(author, devices)
    findings += _prepared_elsewhere(author, devices)
    there = _registered(author.tenant_id, devices)
    findings += [
        Finding(
            f"line {one.line}", f"module {one.code} is registered{_at(author, there[one.code])}"
        )
        for one in devices
        if there.get(one.code, one.place) != one.place
    ]
    if findings:
        return Outcome(findings=tuple(findings))
    new = [one for one in devices if one.code not in there or one.kind == DeviceKind.HUB]
    kept = sum(_keep(author, one, places[one.place], now) for one in new)
    accepted = sum(_accept_found(author.tenant_id, one, now) for one in new)
    return Outcome(kept, len(devices) - kept, accepted)


def _at(author: Author, place: str) -> str:
    """Return where a module is, as far as `author` may know."""
    try:
        access.node_for(author, place)
    except access.NotVisibleError:
        return " at another place already"
    return f" at {place} already"


def _registered(tenant_id: int, devices: Iterable[PreparedDevice]) -> dict[str, str]:
    """Return the places of those modules that are registered, by their serial numbers."""
    serials = [int(one.code) for one in devices if one.kind == DeviceKind.MODULE]
    rows = Module.objects.filter(
        tenant_id=tenant_id, serial__in=serials, removed_at__isnull=True
    ).values_list("serial", "node__code")
    return {str(serial): place for serial, place in rows}


def _prepared_elsewhere(author: Author, devices: Sequence[PreparedDevice]) -> list[Finding]:
    """Return a finding for each device that others prepared where `author` has no right."""
    paths = access.granted_paths(author, Right.REGISTRY)
    with connection.cursor() as cursor:
        cursor.execute(
            "select p.kind, p.code from prepared_device p join node n on n.id = p.node_id"
            " where p.code = any(%s) and not n.path <@ any(%s::ltree[])",
            [[one.code for one in devices], paths],
        )
        taken = set(cursor.fetchall())
    return [
        Finding(f"line {one.line}", f"{one.kind} {one.code} is prepared for another place")
        for one in devices
        if (one.kind.value, one.code) in taken
    ]


def listed(author: Author, limit: int = LISTED_MAX) -> list[PreparedInfo]:
    """Return what is prepared in reach of `author`: faulty ones first, then what waits."""
    paths = access.granted_paths(author, Right.REGISTRY)
    return _select("n.path <@ any(%s::ltree[])", [paths], limit)


def prepared_module(author: Author, serial: int) -> PreparedInfo | None:
    """Return what is prepared for the module `serial` and not done, in reach of `author`."""
    paths = access.granted_paths(author, Right.REGISTRY)
    where = (
        "n.path <@ any(%s::ltree[]) and p.kind = 'module' and p.code = %s"
        " and p.state in ('waiting', 'faulty')"
    )
    return next(iter(_select(where, [paths, str(serial)], 1)), None)


def withdraw(author: Author, prepared_id: int, now: datetime) -> bool:
    """Let a place wait no more; return whether it did."""
    paths = access.granted_paths(author, Right.REGISTRY)
    with connection.cursor() as cursor:
        cursor.execute(
            "update prepared_device p set state = 'withdrawn', done_at = %s from node n"
            " where n.id = p.node_id and n.path <@ any(%s::ltree[]) and p.id = %s"
            " and p.state in ('waiting', 'faulty')",
            [now, paths, prepared_id],
        )
        return bool(cursor.rowcount)


def lock_waiting(serials: Iterable[int]) -> None:
    """Lock those modules that a place waits for, before their rows are touched.

    Whoever mounts one takes the lock first and the rows then; so neither waits for the other.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "select distinct code::bigint from prepared_device where kind = 'module'"
            " and state = 'waiting' and code = any(%s) order by 1",
            [[str(serial) for serial in serials]],
        )
        waiting = [int(serial) for (serial,) in cursor.fetchall()]
    for serial in waiting:
        lock_module(serial)


def accept_module(tenant_id: int, serial: str, claim: str, now: datetime) -> bool:
    """Mount a module that has announced itself, if a place waits for it; return whether it did.

    Call inside a system scope. What cannot be mounted so is marked faulty, with the reason. If a
    secret was prepared, a module that tells of another one is not the one that is meant.
    """
    row = _waiting(tenant_id, serial)
    if row is None:
        return False
    prepared_id, node_id, has_adapter, inputs, author, secret = row
    if secret and claim and not compare_digest(secret, claim):
        return False

    def work(place: NodeInfo) -> None:
        heard = tuple(_input_of(one) for one in inputs)
        order = MountOrder(
            serial=int(serial), place=place.code, has_adapter=has_adapter, inputs=heard
        )
        mount_at(place, order, now)

    return _try(tenant_id, (prepared_id, node_id, author), work)


def accept_hub(code: str, claim: str, now: datetime) -> bool:
    """Register a hub that has announced itself with the claim that somebody prepared.

    Call inside a system scope.
    """
    if not claim:
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            "select id, tenant_id, node_id, name, controls, claim, author from prepared_device"
            " where kind = 'hub' and code = %s and state = 'waiting'",
            [code],
        )
        rows = [row for row in cursor.fetchall() if compare_digest(row[5], claim)]
    if len(rows) != 1:
        return False  # nobody, or two utilities that hold the same label
    prepared_id, tenant_id, node_id, name, controls, _, author = rows[0]

    def work(place: NodeInfo) -> None:
        order = HubOrder(code=code, secret="", site=place.code, name=name, controls=controls)
        add_hub(place, order, now)

    return _try(tenant_id, (prepared_id, node_id, author), work)


def _try(tenant_id: int, row: tuple[int, int, str], work: Any) -> bool:
    prepared_id, node_id, author = row
    with tenant_scope(tenant_id, f"prepared by {author}"):
        try:
            work(lookups.node(node_id))
        except BalansError as error:
            with connection.cursor() as cursor:
                cursor.execute(
                    "update prepared_device set state = 'faulty', detail = %s where id = %s",
                    [str(error)[:DETAIL_MAX], prepared_id],
                )
            return False
    return True


def _places(
    author: Author, devices: Iterable[PreparedDevice]
) -> tuple[dict[str, NodeInfo], list[Finding]]:
    """Return the places by code, and a finding for each device whose place cannot be used."""
    places: dict[str, NodeInfo | str] = {}
    findings = []
    for device in devices:
        if device.place not in places:
            try:
                places[device.place] = access.node_for(author, device.place, Right.REGISTRY)
            except (access.NotVisibleError, access.ForbiddenError) as error:
                places[device.place] = str(error)
        wrong = places[device.place]
        if isinstance(wrong, str):
            findings.append(Finding(f"line {device.line}", wrong))
    return {code: node for code, node in places.items() if not isinstance(node, str)}, findings


def _keep(author: Author, device: PreparedDevice, place: NodeInfo, now: datetime) -> int:
    claim = claim_of(device.code, device.secret) if device.secret else ""
    inputs = json.dumps([_json_of(one) for one in device.inputs], sort_keys=True)
    with connection.cursor() as cursor:
        cursor.execute(
            _KEEP,
            {
                "tenant": place.tenant_id,
                "kind": device.kind.value,
                "code": device.code,
                "node": place.id,
                "name": device.name,
                "controls": device.controls,
                "has_adapter": device.has_adapter,
                "claim": claim,
                "inputs": inputs,
                "author": author.get_username(),
                "now": now,
            },
        )
        return int(cursor.rowcount)


def _accept_found(tenant_id: int, device: PreparedDevice, now: datetime) -> bool:
    """Accept a device that announced itself before it was prepared."""
    with system_scope(), connection.cursor() as cursor:
        if device.kind == DeviceKind.HUB:
            cursor.execute(
                "select claim from found_device where tenant_id is null and kind = 'hub'"
                " and code = %s and other_claim_seen is null",
                [device.code],
            )
            row = cursor.fetchone()
            return row is not None and accept_hub(device.code, row[0], now)
        cursor.execute(
            "select claim from found_device where tenant_id = %s and kind = 'module' and code = %s",
            [tenant_id, device.code],
        )
        row = cursor.fetchone()
        return row is not None and accept_module(tenant_id, device.code, row[0], now)


def _waiting(tenant_id: int, serial: str) -> tuple[Any, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(
            "select id, node_id, has_adapter, inputs, author, claim from prepared_device"
            " where tenant_id = %s and kind = 'module' and code = %s and state = 'waiting'",
            [tenant_id, serial],
        )
        row = cursor.fetchone()
    return None if row is None else (*row[:3], _parsed(row[3]), *row[4:])


def _select(where: str, values: Sequence[Any], limit: int) -> list[PreparedInfo]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select p.id, p.kind, p.code, n.code, n.name, p.name, p.has_adapter, p.inputs,"
            " p.state, p.detail, p.author, p.created, p.done_at"
            f" from prepared_device p join node n on n.id = p.node_id where {where}"
            " order by array_position(array['faulty', 'waiting', 'accepted', 'withdrawn'],"
            " p.state), coalesce(p.done_at, p.created) desc, p.code limit %s",
            [*values, limit],
        )
        return [_info(*row) for row in cursor.fetchall()]


def _info(*row: Any) -> PreparedInfo:
    code, place, place_name, name, has_adapter = row[2:7]
    detail, author, created, done_at = row[9:]
    return PreparedInfo(
        id=row[0],
        kind=DeviceKind(row[1]),
        code=code,
        place=place,
        place_name=place_name,
        name=name,
        has_adapter=has_adapter,
        inputs=tuple(_input_of(one) for one in _parsed(row[7])),
        state=PreparedState(row[8]),
        detail=detail,
        author=author,
        created=created,
        done_at=done_at,
    )


def _parsed(stored: Any) -> list[Mapping[str, Any]]:
    """Return a jsonb column, which a bare cursor of Django gives as text."""
    found: list[Mapping[str, Any]] = json.loads(stored) if isinstance(stored, str) else stored
    return found


def _json_of(one: InputOrder) -> dict[str, Any]:
    return {
        "number": one.number,
        "resource": one.resource.value,
        "meter": one.meter,
        "pulse_weight": None if one.pulse_weight is None else str(one.pulse_weight),
        "transformer_ratio": str(one.transformer_ratio),
        "dial": None if one.dial is None else f"{one.dial:f}",
        "phase": one.phase.value if one.phase else None,
        "role": one.role.value,
        "point": one.point,
        "point_name": one.point_name,
    }


def _input_of(stored: Mapping[str, Any]) -> InputOrder:
    weight, dial, phase = (stored[name] for name in ("pulse_weight", "dial", "phase"))
    return InputOrder(
        number=stored["number"],
        resource=Resource(stored["resource"]),
        meter=stored["meter"],
        pulse_weight=None if weight is None else Fraction(weight),
        transformer_ratio=Fraction(stored["transformer_ratio"]),
        dial=None if dial is None else Decimal(dial),
        phase=Phase(phase) if phase else None,
        role=PointRole(stored["role"]),
        point=stored["point"],
        point_name=stored["point_name"],
    )


_KEEP = """
insert into prepared_device as p (tenant_id, kind, code, node_id, name, controls, has_adapter,
  claim, inputs, author, created)
values (%(tenant)s, %(kind)s, %(code)s, %(node)s, %(name)s, %(controls)s, %(has_adapter)s,
  %(claim)s, %(inputs)s::jsonb, %(author)s, %(now)s)
on conflict (tenant_id, kind, code) do update set
  node_id = excluded.node_id, name = excluded.name, controls = excluded.controls,
  has_adapter = excluded.has_adapter, claim = excluded.claim, inputs = excluded.inputs,
  author = excluded.author, created = excluded.created, state = 'waiting', detail = '',
  done_at = null
where (p.node_id, p.name, p.controls, p.has_adapter, p.claim, p.inputs) is distinct from
      (excluded.node_id, excluded.name, excluded.controls, excluded.has_adapter, excluded.claim,
       excluded.inputs)
   or p.state in ('faulty', 'withdrawn')
"""
