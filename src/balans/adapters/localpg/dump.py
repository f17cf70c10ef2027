"""Backup and restore with PostgreSQL's own programs."""

import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

import psycopg

from balans.adapters.localpg.binaries import SYSTEM_ROOT, find_binaries
from balans.adapters.localpg.client import connect_options, environment_for, server_version
from balans.core.errors import InputError, UnavailableError

SCOPE = {"balans.tenant": "all"}
"""The dump reads the rows of every tenant, under the same rules as the product itself."""

EMPTY_SCHEMA = "DROP SCHEMA public CASCADE; CREATE SCHEMA public;"
COUNT_TABLES = (
    "SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n "
    "ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') "
    "AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'"
)


def dump(url: str, target: Path) -> int:
    """Write a backup of the database to `target` and return its size [B].

    The file appears when it is complete; only its owner can read it.

    Raises
    ------
    InputError
        `target` exists or cannot be written.
    UnavailableError
        With the words of ``pg_dump``.
    """
    if target.exists():
        raise InputError(f"{target}: exists already; give another name")
    program = _program("pg_dump", server_version(url))
    try:
        fd, draft = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise InputError(f"{target}: {error.strerror}") from error
    os.close(fd)
    try:
        _run(
            [program, "--format=custom", "--no-password", "--enable-row-security", "-f", draft],
            environment_for(url, **SCOPE),
        )
        Path(draft).replace(target)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    return target.stat().st_size


def restore(url: str, source: Path, *, force: bool = False) -> None:
    """Read the backup in `source` into the database, wholly or not at all.

    Parameters
    ----------
    force
        Delete what is in the database first, in the same transaction.

    Raises
    ------
    InputError
        `source` is no backup, or the database is not empty and `force` is not given.
    UnavailableError
        With the words of the program that failed; the database is as before.
    """
    version = server_version(url)
    unpacker, reader = _program("pg_restore", version), _program("psql", version)
    check_backup(source, unpacker)
    if not force and _count_tables(url):
        raise InputError("the database is not empty; --force deletes what is in it first")
    unpack = [unpacker, "--no-owner", "--no-privileges", "-f", "-", str(source)]
    read = [reader, "-X", "-q", "--no-password", "-v", "ON_ERROR_STOP=1", "--single-transaction"]
    if force:
        read += ["-c", EMPTY_SCHEMA]
    environment = environment_for(url, **SCOPE, lock_timeout="10s", client_min_messages="error")
    _pipe(unpack, [*read, "-f", "-"], environment)


def check_backup(source: Path, unpacker: str | None = None) -> None:
    """Refuse what is not a backup.

    Raises
    ------
    InputError
        Naming the file.
    """
    try:
        with source.open("rb") as file:
            start = file.read(5)
    except OSError as error:
        raise InputError(f"{source}: {error.strerror}") from error
    if start != b"PGDMP":
        raise InputError(f"{source}: is not a backup made by `balans db backup`")
    try:
        _run([unpacker or find_binaries().program("pg_restore"), "--list", str(source)], {})
    except UnavailableError as error:
        raise InputError(f"{source}: is damaged: {error}") from error


def _pipe(unpack: list[str], read: list[str], environment: dict[str, str]) -> None:
    """Run `read` on the output of `unpack`; it must not commit what is cut short."""
    output: IO[str] = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed below)
    with (
        output,
        subprocess.Popen(  # noqa: S603  (programs of the database, no shell)
            read, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, env=environment
        ) as reader,
        subprocess.Popen(unpack, stdout=subprocess.PIPE, stderr=output) as unpacker,  # noqa: S603
    ):
        assert reader.stdin  # noqa: S101  (PIPE was asked for)
        assert unpacker.stdout  # noqa: S101
        with suppress(BrokenPipeError):
            shutil.copyfileobj(unpacker.stdout, reader.stdin, 1 << 20)
        unpacker.stdout.close()
        if unpacker.wait() != 0:
            reader.kill()  # the server rolls back; closing the pipe would commit
        with suppress(BrokenPipeError):
            reader.stdin.close()
        if reader.wait() or unpacker.returncode:
            output.seek(0)
            raise UnavailableError(f"restore failed, nothing was changed: {output.read().strip()}")


def _program(name: str, server: int) -> str:
    """Return the program `name` of a release not older than the server's."""
    candidates = [found] if (found := shutil.which(name)) else []
    candidates += sorted(map(str, SYSTEM_ROOT.glob(f"*/bin/{name}")), reverse=True)
    with suppress(UnavailableError):
        candidates.insert(0, find_binaries().program(name))
    for candidate in candidates:
        if _major(candidate) >= server // 10000:
            return candidate
    raise UnavailableError(f"no {name} of PostgreSQL {server // 10000} or newer on this machine")


def _major(program: str) -> int:
    words = _run([program, "--version"], {}).split()
    digits = next((word for word in words if word[0].isdigit()), "0")
    return int(digits.partition(".")[0])


def _count_tables(url: str) -> int:
    with psycopg.connect(url, **connect_options(url)) as connection:
        row = connection.execute(COUNT_TABLES).fetchone()
        return int(row[0]) if row else 0


def _run(args: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(  # noqa: S603  (programs of the database, no shell)
        args, capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode:
        raise UnavailableError(f"{Path(args[0]).name}: {done.stderr.strip()}")
    return done.stdout
