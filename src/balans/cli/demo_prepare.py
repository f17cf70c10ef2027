"""What the demo needs before it can run: tables, a registered town, files of its gateways."""

import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from balans.core.errors import InputError, UnavailableError
from balans.supervision.lock import OwnedElsewhereError, OwnerLock

if TYPE_CHECKING:
    from balans.config import Settings
    from balans.simulator.spec import TownSpec
    from balans.usecases.registry_plan import AccountPlan


STUDY = "participation"
"""Under this name the study of the transformer is kept."""


def home_of(settings: "Settings") -> Path:
    """Return the folder of the simulated town: clock, state, ledger, journals and logs."""
    return settings.data_dir / "demo"


def check_inputs(settings: "Settings", report: Path | None) -> None:
    """Find out now what would otherwise fail after minutes of work.

    Raises
    ------
    InputError
        Naming the option: a data directory that cannot be used, a port that is taken, a report
        that cannot be written.
    """
    from balans.cli.serve import listening_socket

    try:
        home_of(settings).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--data-dir {settings.data_dir}: {error.strerror}") from error
    if report is not None and not (report.parent.is_dir() and os.access(report.parent, os.W_OK)):
        raise InputError(f"--report {report}: the folder {report.parent} cannot be written to")
    listening_socket(settings.host, settings.port).close()


def check_town(spec: "TownSpec", home: Path) -> None:
    """Make sure that what was begun in `home` is this town, before anything is written.

    Raises
    ------
    InputError
        When it was begun with another seed, or its state is damaged.
    """
    from balans.simulator import state
    from balans.simulator.world import STATE_FILE

    try:
        state.load(home / "town" / STATE_FILE, spec)
    except state.StateError as error:
        raise InputError(
            f"{error}: go on with the release and --seed it was begun with, or begin anew"
            " with --reset"
        ) from error


def lock_town(settings: "Settings") -> OwnerLock:
    """Become the only demo on the data directory, as long as the lock is held.

    Raises
    ------
    UnavailableError
        When another demo runs there.
    """
    lock = OwnerLock(settings.data_dir / "demo.lock")
    try:
        lock.acquire()
    except OwnedElsewhereError as error:
        raise UnavailableError(
            f"a demo already runs on {settings.data_dir}: stop it, or choose another --data-dir"
        ) from error
    return lock


def make_tables() -> None:
    """Create the tables, or bring them up to this release."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)


def register(spec: "TownSpec", more: "Sequence[AccountPlan]" = ()) -> None:
    """Register the town with its demo accounts and `more`; doing it again changes nothing."""
    from balans.cli.town_plan import registry_plan
    from balans.storage.registry import apply_plan
    from balans.usecases.registry_plan import AccountPlan
    from balans.web.accounts.demo import DEMO_ACCOUNTS

    grants = {
        "operator": (("operator", spec.nodes[0].code),),
        "resident": (("consumer", spec.flats[0].code),),
        "installer": (("installer", spec.nodes[0].code),),
        "dispatcher": (("dispatcher", spec.nodes[0].code),),
        "colleague": (("dispatcher", spec.nodes[0].code),),
    }
    accounts = tuple(
        AccountPlan(
            username=account.username, password=account.password, grants=grants[account.username]
        )
        for account in DEMO_ACCOUNTS
    )
    start = datetime.fromtimestamp(spec.start_s, UTC)
    apply_plan(registry_plan(spec, (*accounts, *more)), actor="demo", now=start)


def write_gateways(
    spec: "TownSpec", home: Path, mqtt_url: str, keys: Sequence[str] = ()
) -> dict[str, Path]:
    """Write the configuration of each hub's gateway, which trusts `keys`; return them by hub."""
    from balans.cli.town_plan import gateway_toml

    files: dict[str, Path] = {}
    for hub in spec.hubs:
        folder = home / hub.code
        folder.mkdir(parents=True, exist_ok=True)
        files[hub.code] = folder / "gateway.toml"
        text = gateway_toml(spec, hub.code, mqtt_url, folder, keys)
        files[hub.code].write_text(text, encoding="utf-8")
    return files


def reset(settings: "Settings") -> None:
    """Forget the town: its files, and the embedded database with all that is in it.

    Raises
    ------
    InputError
        When the database is an external one: nobody but its owner empties it.
    """
    from balans.adapters.localpg import LocalPostgres

    if settings.database_url is not None:
        raise InputError(
            "--reset empties the embedded database only, and BALANS_DATABASE_URL names another; "
            "empty that one yourself if you mean it"
        )
    shutil.rmtree(home_of(settings), ignore_errors=True)
    home_of(settings).mkdir()
    LocalPostgres(settings.data_dir, service_user=settings.service_user).remove()
