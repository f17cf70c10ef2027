"""The user a server runs as when the product itself was started as root."""

import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from balans.core.errors import InputError, UnavailableError

OWN_NAME = "balans"
KNOWN_NAMES = (OWN_NAME, "postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the system that is not root."""

    name: str
    uid: int
    gid: int

    def popen_options(self) -> dict[str, Any]:
        """Return the arguments that make `subprocess` start a program as this user."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def take(self, path: Path) -> None:
        """Give `path`, made by this process a moment ago, to the user."""
        os.chown(path, self.uid, self.gid, follow_symlinks=False)


def service_account(
    configured: str | None = None, *, owner_of: Path | None = None, create: bool = False
) -> Account | None:
    """Choose the user for a server; None when the present one will do (it is not root).

    Parameters
    ----------
    configured
        Name from the settings; it wins.
    owner_of
        Data that exists already: its owner is the only user who can serve it.
    create
        Whether a user may be made when the system has none that fits.

    Raises
    ------
    InputError
        The configured user does not exist or is root.
    UnavailableError
        No user fits, or making one failed.
    """
    if os.geteuid() != 0:
        return None
    if owner_of is not None and (account := _owner(owner_of)):
        return account
    if configured:
        return _configured(configured)
    for name in KNOWN_NAMES:
        if account := _lookup(name):
            return account
    if create:
        return _create()
    raise UnavailableError(
        "the database does not run as root: name an existing user in BALANS_SERVICE_USER, "
        f"or make one with `useradd --system {OWN_NAME}`"
    )


def first_closed_folder(path: Path, account: Account | None) -> Path | None:
    """Return the first folder on the way to `path` that `account` may not pass, if any.

    Access lists beyond the mode bits are not looked at.
    """
    if account is None:
        return None
    for folder in reversed(path.absolute().parents):
        if folder.exists() and not _may_pass(folder, account):
            return folder
    return None


def _may_pass(folder: Path, account: Account) -> bool:
    found = folder.stat()
    if found.st_uid == account.uid:
        return bool(found.st_mode & stat.S_IXUSR)
    if found.st_gid == account.gid:
        return bool(found.st_mode & stat.S_IXGRP)
    return bool(found.st_mode & stat.S_IXOTH)


def _owner(path: Path) -> Account | None:
    try:
        entry = pwd.getpwuid(path.stat().st_uid)
    except (FileNotFoundError, KeyError):
        return None
    return None if entry.pw_uid == 0 else Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _lookup(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return None if entry.pw_uid == 0 else Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _configured(name: str) -> Account:
    account = _lookup(name)
    if account is None:
        raise InputError(f"BALANS_SERVICE_USER: {name}: no such user, or it is root")
    return account


def _create() -> Account:
    tool = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if tool is None:
        raise UnavailableError("no user to run the database as, and no `useradd` to make one")
    command = [tool, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", OWN_NAME]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  (fixed words)
    account = _lookup(OWN_NAME)
    if account is None:
        raise UnavailableError(f"useradd {OWN_NAME}: {done.stderr.strip()}")
    return account
