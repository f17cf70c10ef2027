"""``balans key``: the keys with which the head-end signs what binds gateways."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from balans.cli.common import AsJson, DataDir, new_app, print_json, require_existing, settings_of
from balans.core.errors import InputError

if TYPE_CHECKING:
    from datetime import datetime

    from balans.storage.signing_keys import KeyInfo
    from balans.wiring.keys import KeyFolder

app = new_app("Make and rotate the keys that gateways trust.")
Tenant = Annotated[str, typer.Argument(metavar="TENANT", help="Code of the utility.")]
OVERLAP_D = 30
AUTHOR = "balans key"


@dataclass(frozen=True, slots=True)
class _Desk:
    """Where the keys of a tenant are."""

    tenant_id: int
    tenant_code: str
    folder: "KeyFolder"
    now: "datetime"


@app.callback()
def group() -> None:
    """Make and rotate the keys that gateways trust."""


@app.command(epilog="Example: balans key new alice")
def new(
    ctx: typer.Context, tenant: Tenant, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Make the first key of a utility.

    The private half stays in a file that only this user may read. The public half is printed: it
    goes into the file of every gateway, as server.keys. From then on a gateway obeys nothing else.
    """
    with _desk(ctx, data_dir, tenant) as desk:
        from balans.storage.signing_keys import keys_of

        if any(one.holds(desk.now) for one in keys_of(desk.tenant_id)):
            raise InputError(f"{tenant}: has a key already; `balans key rotate` makes the next one")
        made = _make(desk)
        _report([made], desk, as_json=as_json)


@app.command("list", epilog="Example: balans key list alice --json")
def list_keys(
    ctx: typer.Context, tenant: Tenant, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """List the keys of a utility, and whether their private half is on this machine."""
    with _desk(ctx, data_dir, tenant) as desk:
        from balans.storage.signing_keys import keys_of

        _report(keys_of(desk.tenant_id), desk, as_json=as_json)


@app.command(epilog="Example: balans key rotate alice --overlap-days 30")
def rotate(
    ctx: typer.Context,
    tenant: Tenant,
    overlap_days: Annotated[
        float,
        typer.Option(min=0, max=366, help="So long the keys there are still count."),
    ] = OVERLAP_D,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make the next key of a utility, and let those before it end.

    Gateways learn the new key from the head-end, signed with the old one, while both count. One
    that is out of reach for all that time needs the new key in its file. Without an overlap every
    gateway does: that is for a key that was stolen.
    """
    with _desk(ctx, data_dir, tenant) as desk:
        from balans.protocols.hub.signed import KEYS_MAX
        from balans.storage.signing_keys import end_keys, keys_of

        keys = keys_of(desk.tenant_id)
        if not keys:
            raise InputError(f"{tenant}: has no key yet; `balans key new` makes the first one")
        if overlap_days and sum(one.holds(desk.now) for one in keys) >= KEYS_MAX:
            raise InputError(f"{tenant}: {KEYS_MAX} keys still count; `--overlap-days 0` ends them")
        made = _make(desk)
        end_keys(desk.tenant_id, desk.now + timedelta(days=overlap_days), but=made.ident)
        _report(keys_of(desk.tenant_id), desk, as_json=as_json)


@contextmanager
def _desk(ctx: typer.Context, data_dir: DataDir, tenant: str) -> Iterator[_Desk]:
    """Open the database in the scope of the tenant, which must exist."""
    from balans.cli.db_open import database
    from balans.wiring.clock import clock_of
    from balans.wiring.keys import KeyFolder
    from balans.wiring.server import require_tables, setup_django

    settings = settings_of(ctx, data_dir)
    require_existing(settings)
    with database(settings) as url:
        setup_django(settings, url)
        require_tables()
        from balans.storage.lookups import tenant_ids
        from balans.storage.scope import system_scope, tenant_scope

        with system_scope():
            tenants = tenant_ids()
        if tenant not in tenants:
            known = ", ".join(tenants) or "none"
            raise InputError(f"TENANT {tenant[:64]!r}: no such utility; known: {known}")
        with tenant_scope(tenants[tenant], AUTHOR):
            now = clock_of(settings.clock_file).now()
            yield _Desk(tenants[tenant], tenant, KeyFolder(settings.key_folder), now)


def _make(desk: _Desk) -> "KeyInfo":
    from balans.adapters.signing import SigningKey
    from balans.storage.signing_keys import add_key

    key = SigningKey.new()
    desk.folder.keep(desk.tenant_code, key)
    return add_key(desk.tenant_id, key.public, AUTHOR, desk.now)


def _report(keys: Iterable["KeyInfo"], desk: _Desk, *, as_json: bool) -> None:
    import base64

    rows: list[dict[str, Any]] = [
        {
            "key": one.ident,
            "public": base64.b64encode(one.public).decode(),
            "from": one.not_before.isoformat(),
            "until": None if one.not_after is None else one.not_after.isoformat(),
            "counts": one.holds(desk.now),
            "private_here": desk.folder.has(desk.tenant_code, one.ident),
        }
        for one in keys
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        until = f" until {row['until']}" if row["until"] else ""
        state = "counts" if row["counts"] else "counts no more"
        here = "" if row["private_here"] else ", private half not on this machine"
        print(f"{row['key']}  {state}, from {row['from']}{until}{here}")
    counting = ", ".join(f'"{row["public"]}"' for row in rows if row["counts"])
    if counting:
        print(f"\n[server]\nkeys = [{counting}]")
