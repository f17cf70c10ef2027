"""Questions to a PostgreSQL by its URL, embedded or not."""

import os
from typing import Any

from balans.core.errors import InputError, UnavailableError

CONNECT_LIMIT_S = 5


def parts_of(url: str, name: str = "BALANS_DATABASE_URL") -> dict[str, str]:
    """Return the parts of a PostgreSQL URL under libpq's names.

    Raises
    ------
    InputError
        It is none; neither user nor password are repeated.
    """
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    if not url.startswith(("postgresql://", "postgres://")):
        raise InputError(f"{name}: expected postgresql://[user[:password]@]host[:port]/database")
    try:
        found = conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        raise InputError(f"{name}: is not a URL of PostgreSQL") from error
    return {key: str(value) for key, value in found.items()}


def masked(url: str) -> str:
    """Return `url` as it may be shown: user, place and database, without password and options.

    >>> masked("postgresql://balans:secret@db.example.org:5433/balans?connect_timeout=3")
    'postgresql://balans:***@db.example.org:5433/balans'
    """
    try:
        parts = parts_of(url)
    except InputError:
        return "***"
    login = parts.get("user", "") + (":***" if "password" in parts else "")
    port = f":{parts['port']}" if "port" in parts else ""
    place = f"{parts.get('host', '')}{port}/{parts.get('dbname', '')}"
    return f"postgresql://{login}{'@' if login else ''}{place}"


def server_version(url: str) -> int:
    """Return the version of the server as it counts it, 180006 for 18.6.

    Raises
    ------
    InputError
        `url` is none.
    UnavailableError
        No connection, with the reason the driver gives.
    """
    import psycopg

    try:
        with psycopg.connect(url, **connect_options(url)) as connection:
            return connection.info.server_version
    except psycopg.Error as error:
        raise UnavailableError(_reason(error, url)) from None


def connect_options(url: str) -> dict[str, Any]:
    """Return arguments of ``psycopg.connect`` that keep a wrong address from blocking for long."""
    return {} if "connect_timeout" in parts_of(url) else {"connect_timeout": CONNECT_LIMIT_S}


def environment_for(url: str, **options: str) -> dict[str, str]:
    """Return the environment in which PostgreSQL's programs reach the server of `url`.

    The password is given here, because other users can read command lines. `options` are
    settings of the session.
    """
    names = {"dbname": "PGDATABASE", "user": "PGUSER", "password": "PGPASSWORD"}
    names |= {"host": "PGHOST", "port": "PGPORT", "sslmode": "PGSSLMODE"}
    names |= {"sslrootcert": "PGSSLROOTCERT", "connect_timeout": "PGCONNECT_TIMEOUT"}
    parts = {"connect_timeout": str(CONNECT_LIMIT_S), **parts_of(url)}
    settings = " ".join(f"-c {key}={value}" for key, value in options.items())
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "PGOPTIONS": f"{parts.get('options', '')} {settings}".strip(),
        **{names[key]: value for key, value in parts.items() if key in names},
    }


def _reason(error: Exception, url: str) -> str:
    """Return the driver's words on one line, without the password."""
    words = " ".join(str(error).split())
    password = parts_of(url).get("password")
    return words.replace(password, "***") if password else words
