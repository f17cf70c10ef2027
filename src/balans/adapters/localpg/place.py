"""Where an embedded PostgreSQL keeps its files."""

import hashlib
import os
import shutil
import stat
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from balans.core.errors import UnavailableError
from balans.supervision.account import Account, first_closed_folder

SYSTEM_STATE_DIR = Path("/var/lib/balans")
SOCKET_NAME = "/.s.PGSQL.5432"
SOCKET_PATH_LIMIT_BYTES = 107 if sys.platform.startswith("linux") else 103


@dataclass(frozen=True, slots=True)
class Place:
    """The folders of one server.

    ``home`` is below the data directory and belongs to the owner of the product: lock,
    passwords, log. ``base`` holds what the server itself writes; it is ``home`` unless the
    user of the server may not pass the folders above it.
    """

    home: Path
    base: Path

    @property
    def lock(self) -> Path:
        """The file whose lock makes a process the owner."""
        return self.home / "owner.lock"

    @property
    def connection(self) -> Path:
        """The file from which other processes of the product learn the address."""
        return self.home / "connection.json"

    @property
    def log(self) -> Path:
        """What the server writes about itself."""
        return self.home / "server.log"

    @property
    def cluster(self) -> Path:
        """The data directory of PostgreSQL."""
        return self.base / "cluster"


def home_of(data_dir: Path) -> Path:
    """Return the part of the product's data directory that belongs to the database."""
    return data_dir.absolute() / "postgres"


def prepare_home(data_dir: Path) -> Path:
    """Make the folder for lock, passwords and log.

    Raises
    ------
    UnavailableError
        It cannot be made or written.
    """
    home = home_of(data_dir)
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o711 if os.geteuid() == 0 else 0o700)
    except OSError as error:
        raise UnavailableError(f"{error.filename}: {error.strerror}") from error
    if not os.access(home, os.W_OK):
        owner = home.stat().st_uid
        raise UnavailableError(
            f"{home}: belongs to user number {owner}; start as that user or take another --data-dir"
        )
    return home


def existing_place(home: Path, recorded: Path | None, state_dir: Path) -> Place | None:
    """Return the place that holds data already, if any.

    Parameters
    ----------
    recorded
        The base an earlier start wrote down, when it was not `home`.
    """
    for base in (recorded, home, _moved(home, state_dir)):
        if base is not None and (base / "cluster").exists():
            return Place(home, base)
    return None


def new_place(home: Path, account: Account | None, state_dir: Path) -> Place:
    """Choose where a new server keeps its data: `home`, or a folder its user can reach."""
    closed = first_closed_folder(home / "cluster", account)
    return Place(home, _moved(home, state_dir) if closed else home)


def check_open(place: Place, account: Account | None) -> None:
    """Refuse a place that the user of the server cannot get to.

    Raises
    ------
    UnavailableError
        Naming the folder.
    """
    closed = first_closed_folder(place.cluster, account)
    if closed is not None and account is not None:
        raise UnavailableError(
            f"{closed}: user {account.name} may not pass this folder; "
            "give a data directory outside of private folders with --data-dir"
        )


def _moved(home: Path, state_dir: Path) -> Path:
    return state_dir / hashlib.sha256(bytes(home)).hexdigest()[:12]


def make_open(folder: Path) -> None:
    """Make `folder` and what is missing above it, passable for every user.

    Folders that exist already stay as they are.

    Raises
    ------
    UnavailableError
        It cannot be made.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        for path in reversed(missing):
            path.mkdir()
            path.chmod(0o755)
    except OSError as error:
        raise UnavailableError(f"{error.filename}: {error.strerror}") from error


def socket_dir_for(place: Place, account: Account | None) -> Path:
    """Make the folder of the server's socket, private to the user of the server.

    The path of a socket has at most 107 bytes on Linux (103 elsewhere); when the data directory
    is too deep for that, the folder is made among the run-time files instead.

    Raises
    ------
    UnavailableError
        A folder of that name is there and belongs to somebody else.
    """
    folder = place.base / "run"
    if len(bytes(folder)) + len(SOCKET_NAME) > SOCKET_PATH_LIMIT_BYTES:
        digest = hashlib.sha256(bytes(place.base)).hexdigest()[:12]
        folder = _runtime_root() / f"balans-{os.geteuid()}-{digest}"
    owner = account.uid if account else os.geteuid()
    if not folder.exists():
        folder.mkdir(mode=0o700)
        if account:
            account.take(folder)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
        raise UnavailableError(f"{folder}: is not a private folder of user number {owner}")
    return folder


def _runtime_root() -> Path:
    given = os.environ.get("XDG_RUNTIME_DIR")
    if os.geteuid() != 0 and given and len(given) < 60 and os.access(given, os.W_OK):
        return Path(given)
    run = Path("/run")
    if os.geteuid() == 0 and os.access(run, os.W_OK):
        return run
    return Path(tempfile.gettempdir())


def remove(place: Place) -> None:
    """Delete everything of a server that does not run."""
    if place.base != place.home:
        shutil.rmtree(place.base, ignore_errors=True)
    shutil.rmtree(place.home, ignore_errors=True)
