"""Makes and configures the data directory of an embedded PostgreSQL."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from balans.adapters.localpg.binaries import Binaries
from balans.adapters.localpg.place import Place
from balans.adapters.localpg.tuning import as_file
from balans.core.errors import UnavailableError
from balans.supervision.account import Account
from balans.supervision.child import run_as

ADMIN_ROLE = "balans_admin"
APP_ROLE = "balans"
DATABASE = "balans"
SETTINGS_FILE = "balans.conf"
DRAFT_PREFIX = "cluster.draft-"
ACCESS_RULES = (
    "# Over the socket, with a password. There is no network.\nlocal all all scram-sha-256\n"
)
ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class Passwords:
    """Of the administrator and of the product; letters, digits, ``-`` and ``_`` only."""

    admin: str
    app: str

    @classmethod
    def generate(cls) -> "Passwords":
        """Return new ones."""
        return cls(secrets.token_urlsafe(24), secrets.token_urlsafe(24))


def create_cluster(
    place: Place, binaries: Binaries, account: Account | None, passwords: Passwords
) -> None:
    """Make the data directory with roles and database, under a temporary name until complete.

    Raises
    ------
    UnavailableError
        With the words of the program that failed.
    """
    _remove_drafts(place.base)
    draft = Path(tempfile.mkdtemp(prefix=DRAFT_PREFIX, dir=place.base))
    if account:
        account.take(draft)
    try:
        _initialise(draft, binaries, account)
        _single_user(draft, binaries, account, _creation_sql(passwords))
        draft.rename(place.cluster)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def check_version(cluster: Path, binaries: Binaries) -> None:
    """Refuse a data directory of another release line.

    Raises
    ------
    UnavailableError
        Naming both versions.
    """
    found = (cluster / "PG_VERSION").read_text(encoding="ascii", errors="replace").strip()
    if found != str(binaries.major):
        raise UnavailableError(
            f"{cluster}: made by PostgreSQL {found}, the programs here are {binaries.version}; "
            f"dump it with the programs of PostgreSQL {found} and restore the dump"
        )


def write_settings(cluster: Path, account: Account | None, settings: Mapping[str, str]) -> None:
    """Write the included settings file; ``postgresql.auto.conf`` stays the administrator's."""
    _write(cluster / SETTINGS_FILE, account, as_file(settings))


def set_passwords(
    cluster: Path, binaries: Binaries, account: Account | None, passwords: Passwords
) -> None:
    """Replace the passwords of a stopped server, for instance when their file was lost."""
    sql = [
        f"ALTER ROLE {ADMIN_ROLE} PASSWORD '{passwords.admin}'",
        f"ALTER ROLE {APP_ROLE} PASSWORD '{passwords.app}'",
    ]
    _single_user(cluster, binaries, account, sql)


def _initialise(draft: Path, binaries: Binaries, account: Account | None) -> None:
    folding = ["--locale=C"]
    if binaries.major >= 17:
        folding += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    run_as(
        account,
        [
            binaries.program("initdb"),
            f"--pgdata={draft}",
            f"--username={ADMIN_ROLE}",
            "--encoding=UTF8",
            "--auth=reject",
            "--no-instructions",
            *folding,
        ],
        cwd=draft,
        env=ENVIRONMENT,
    )
    _write(draft / "pg_hba.conf", account, ACCESS_RULES)
    _write(draft / SETTINGS_FILE, account, "")
    with (draft / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write(f"\ninclude = '{SETTINGS_FILE}'\n")


def _creation_sql(passwords: Passwords) -> list[str]:
    return [
        f"ALTER ROLE {ADMIN_ROLE} PASSWORD '{passwords.admin}'",
        f"CREATE ROLE {APP_ROLE} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS",
        f"ALTER ROLE {APP_ROLE} PASSWORD '{passwords.app}'",
        f"CREATE DATABASE {DATABASE} OWNER {APP_ROLE}",
        f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC",
    ]


def _single_user(
    cluster: Path, binaries: Binaries, account: Account | None, sql: list[str]
) -> None:
    """Run statements without a server: nobody can connect in the meantime."""
    run_as(
        account,
        [
            binaries.program("postgres"),
            "--single",
            "-j",
            "-D",
            str(cluster),
            "-c",
            "exit_on_error=on",
            "-c",
            "log_statement=none",
            "-c",
            "log_min_error_statement=panic",
            "postgres",
        ],
        cwd=cluster,
        env=ENVIRONMENT,
        input="".join(f"{statement};\n\n" for statement in sql),
    )


def _write(path: Path, account: Account | None, text: str) -> None:
    """Replace `path` in one step, safe also in a folder that belongs to `account`."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
        if account:
            os.fchown(file.fileno(), account.uid, account.gid)
    draft.replace(path)


def _remove_drafts(base: Path) -> None:
    """Remove what a killed start left; the lock says that no other start is under way."""
    for leftover in base.glob(f"{DRAFT_PREFIX}*"):
        shutil.rmtree(leftover, ignore_errors=True)
