"""Hubs that become a tenant's, move, are replaced and removed. Call inside a scope of the tenant.

Whoever shows the secret of a hub's label has it in hand: the hub tells a digest of it, see
`balans.protocols.claim`. What is wrong with a claim is not told in detail, so that nobody learns
which codes exist. A hub that is removed gives its code back and can be claimed anew.
"""

from dataclasses import dataclass, field
from datetime import datetime
from hmac import compare_digest
from typing import Final

from django.db import connection

from balans.core.words import DeviceKind
from balans.protocols.claim import claim_of
from balans.protocols.fields import NAME
from balans.storage import access, found_devices
from balans.storage.access import NotVisibleError, Right
from balans.storage.commands import Author
from balans.storage.found_devices import DISPUTE
from balans.storage.import_hub import is_import_hub
from balans.storage.models import Hub, Module, Node
from balans.storage.mounting import MountRefusedError, kept_whole
from balans.storage.records import NodeInfo
from balans.storage.scope import system_scope

NAME_MAX: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class HubOrder:
    """A hub for a site (the code of a node); with `controls` it runs load control there."""

    code: str
    secret: str = field(repr=False)
    site: str
    name: str = ""
    controls: bool = False


@dataclass(frozen=True, slots=True)
class WaitingHub:
    """What a hub that waits to be claimed says of itself."""

    code: str
    model: str
    software: str
    last_seen: datetime


def waiting_hub(code: str, secret: str, now: datetime) -> WaitingHub:
    """Return the hub that waits under `code`, for whoever knows the secret of its label.

    Raises
    ------
    MountRefusedError
        ``not_claimable`` if there is none or the secret is another; ``disputed`` if a second hub
        says it has the same code.
    """
    with system_scope(), connection.cursor() as cursor:
        cursor.execute(
            "select claim, model, software, last_seen, other_claim_seen from found_device"
            " where tenant_id is null and kind = 'hub' and code = %s",
            [code],
        )
        row = cursor.fetchone()
    claim = row[0] if row else ""
    if not compare_digest(claim, claim_of(code, secret)):
        message = f"no hub {code} waits with the secret of this label"
        raise MountRefusedError("not_claimable", message, "hub", hub=code)
    if row[4] is not None and row[4] > now - DISPUTE:
        message = f"two hubs say that they are {code}"
        raise MountRefusedError("disputed", message, "hub", hub=code)
    return WaitingHub(code, *row[1:4])


def claim_hub(author: Author, order: HubOrder, now: datetime) -> bool:
    """Make a hub the tenant's, at a site where `author` may; return whether that is new.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `access.node_for` with the right to change the registry.
    MountRefusedError
        As `waiting_hub`; ``controlled`` if another hub controls the site already.
    """
    site = access.node_for(author, order.site, Right.REGISTRY)
    if Hub.objects.filter(code=order.code, site_id=site.id).exists():
        return False
    waiting_hub(order.code, order.secret, now)
    add_hub(site, order, now)
    return True


def add_hub(site: NodeInfo, order: HubOrder, now: datetime) -> None:
    """Register a hub whose secret was checked."""
    if is_import_hub(order.code):
        message = f"hub {order.code}: this code is kept for imports"
        raise MountRefusedError("not_claimable", message, "hub", hub=order.code)
    _check_control(site.id, order.controls)
    with kept_whole(f"hub {order.code}"):
        Hub.objects.create(
            tenant_id=site.tenant_id,
            code=order.code,
            name=order.name[:NAME_MAX],
            site_id=site.id,
            controls=order.controls,
        )
        found_devices.accept(site.tenant_id, DeviceKind.HUB, order.code, now)


def replace_hub(author: Author, code: str, order: HubOrder, now: datetime) -> None:
    """Put the hub of `order` in the place of the hub `code`: its modules and its task pass on.

    Site, name and control of `order` are those of the old hub. Errors as `claim_hub`.
    """
    old = _hub(author, code)
    site = access.node_for(author, old.site.code, Right.REGISTRY)
    waiting_hub(order.code, order.secret, now)
    name = old.name if old.name != old.code else ""
    controls = old.controls
    with kept_whole(f"hub {order.code}"):
        _retire(old, now)
        new = HubOrder(
            code=order.code, secret=order.secret, site=site.code, name=name, controls=controls
        )
        add_hub(site, new, now)
        successor = Hub.objects.get(code=order.code)
        for module in Module.objects.filter(hub=old):
            module.hub = successor
            module.save(update_fields=["hub"])


def move_hub(author: Author, code: str, place: str, now: datetime) -> None:
    """Let a hub serve another site from now on; `author` needs the right at both."""
    del now  # the history of the registry knows when
    row = _hub(author, code)
    site = access.node_for(author, place, Right.REGISTRY)
    if row.site_id == site.id:
        return
    _check_control(site.id, row.controls)
    row.site_id = site.id
    row.save(update_fields=["site"])


def remove_hub(author: Author, code: str, now: datetime) -> None:
    """Take a hub out of service and give its code back. Its modules wait for another hub."""
    row = _hub(author, code)
    with kept_whole(f"hub {code}"):
        for module in Module.objects.filter(hub=row):
            module.hub = None
            module.save(update_fields=["hub"])
        _retire(row, now)


def hub_for(author: Author, code: str) -> tuple[int, NodeInfo]:
    """Return id and site of the hub `code`, if `author` may change the registry there."""
    row = _hub(author, code)
    return row.pk, access.node_for(author, row.site.code, Right.REGISTRY)


def _hub(author: Author, code: str) -> Hub:
    rows = Hub.objects.filter(code=code, tenant_id=author.tenant_id, removed_at__isnull=True)
    row = rows.select_related("site").first() if NAME.fullmatch(code) else None
    if row is None:
        raise NotVisibleError(f"hub {code}: not found")
    access.node_for(author, row.site.code, Right.REGISTRY)
    return row


def _retire(row: Hub, now: datetime) -> None:
    row.code = f"{row.code[:40]}.removed-{row.pk}"
    row.controls = False
    row.removed_at = now
    row.save(update_fields=["code", "controls", "removed_at"])


def _check_control(site_id: int, controls: bool) -> None:  # noqa: FBT001  (a column)
    if controls and Hub.objects.filter(site_id=site_id, controls=True).exists():
        place = Node.objects.get(id=site_id).name
        message = f"another hub runs load control of {place}"
        raise MountRefusedError("controlled", message, "controls", place=place)
