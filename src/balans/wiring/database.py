"""A PostgreSQL URL as the database settings of Django."""

from typing import Any, Final

from balans.core.errors import InputError

POOL: Final[dict[str, Any]] = {
    "min_size": 1,
    "max_size": 8,
    "timeout": 5.0,
    "reconnect_timeout": 3.0,  # then begin anew: pauses between attempts double without end
}
_OWN_KEYS = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST"}


def database_settings(url: str | None, *, pool: bool = True) -> dict[str, Any]:
    """Return the entry of ``DATABASES`` for `url`; without a URL one that refuses every query.

    Parameters
    ----------
    url
        ``postgresql://user:password@host:port/database?option=value``; a socket directory goes
        into ``host``.
    pool
        Keep connections in a pool and check each before it is handed out, so that a restarted
        server is not noticed. Tests that create and drop databases do without.

    Raises
    ------
    InputError
        If `url` is no URL of PostgreSQL or names no database. The password is not repeated.
    """
    if not url:
        return {"ENGINE": "django.db.backends.dummy"}
    parts = _parts_of(url)
    settings: dict[str, Any] = {
        "ENGINE": "django.db.backends.postgresql",
        **{key: parts.pop(part, "") for part, key in _OWN_KEYS.items()},
        "PORT": str(parts.pop("port", "")),
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
    }
    if not settings["NAME"]:
        raise InputError("BALANS_DATABASE_URL: the URL names no database")
    options: dict[str, Any] = {"connect_timeout": 10, "application_name": "balans", **parts}
    settings["OPTIONS"] = {**options, "pool": dict(POOL)} if pool else options
    return settings


def _parts_of(url: str) -> dict[str, Any]:
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    if not url.startswith(("postgresql://", "postgres://")):
        raise InputError("BALANS_DATABASE_URL: expected postgresql://…")
    try:
        return dict(conninfo_to_dict(url))
    except ProgrammingError as error:
        detail = str(error).replace(url, "…").strip()
        raise InputError(f"BALANS_DATABASE_URL: {detail}") from None
