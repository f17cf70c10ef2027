"""Real servers for the tests: an embedded PostgreSQL and brokers, one of each a worker."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest
from pytest_django import DjangoDbBlocker

from balans.adapters.localmqtt import LocalBroker, Mosquitto, mosquitto_program
from balans.adapters.localpg import LocalPostgres


@pytest.fixture(scope="session")
def server_dir() -> Iterator[Path]:
    """A folder that servers started as root can reach under their own user.

    pytest's own temporary folders are private to the user who runs the tests.
    """
    umask = os.umask(0o022)
    folder = Path(tempfile.mkdtemp(prefix="balans-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
    os.umask(umask)


@pytest.fixture(scope="session")
def pg_server(server_dir: Path) -> Iterator[LocalPostgres]:
    """The embedded PostgreSQL of this worker, with the settings of the product."""
    with LocalPostgres(server_dir / "pg") as server:
        server.watch()
        yield server


@pytest.fixture(scope="module")
def pg_url(pg_server: LocalPostgres) -> Iterator[str]:
    """An empty database, new for each test module, owned by the role of the product."""
    with _new_database(pg_server) as url:
        yield url


@pytest.fixture
def own_pg_url(pg_server: LocalPostgres) -> Iterator[str]:
    """The same, new for each test."""
    with _new_database(pg_server) as url:
        yield url


@contextmanager
def _new_database(server: LocalPostgres) -> Iterator[str]:
    import psycopg

    name = f"test_{uuid4().hex}"
    with psycopg.connect(server.admin_url, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}" OWNER balans')
    yield urlunsplit(urlsplit(server.url)._replace(path=f"/{name}"))
    with psycopg.connect(server.admin_url, autocommit=True) as admin:
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def django_database_url(pg_server: LocalPostgres) -> str:
    """A database for Django, one a worker, still empty."""
    import psycopg

    name = f"django_{uuid4().hex}"
    with psycopg.connect(pg_server.admin_url, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}" OWNER balans')
    return urlunsplit(urlsplit(pg_server.url)._replace(path=f"/{name}"))


@pytest.fixture(scope="session")
def django_db_setup(django_database_url: str, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Point Django at the embedded server and migrate, as the role of the product.

    This replaces the fixture of pytest-django, whose test database would need more rights than
    the product has, and whose superuser would not be held back by row-level security.
    """
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connections

    from balans.wiring.database import database_settings

    settings.DATABASES = {"default": database_settings(django_database_url, pool=False)}
    connections._settings = None  # type: ignore[attr-defined]
    vars(connections).pop("settings", None)
    connections["default"] = connections.create_connection("default")
    with django_db_blocker.unblock():
        call_command("migrate", verbosity=0)
        connections.close_all()
    yield
    with django_db_blocker.unblock():
        connections.close_all()


@pytest.fixture
def store(request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The database with real commits, for what several connections or processes share.

    Every row is removed afterwards. `db` of pytest-django, which rolls one transaction back, is
    faster where a single connection will do.
    """
    request.getfixturevalue("django_db_setup")
    from django.db import connection

    with django_db_blocker.unblock():
        yield
        connection.close()
        with connection.cursor() as cursor:
            cursor.execute(
                "select string_agg(format('%I', relname), ', ') from pg_class"
                " where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
                " and not relispartition and relname !~ '^(django_(migrations|content_type)|auth_)'"
            )
            (tables,) = cursor.fetchone()
            cursor.execute(f"truncate {tables} restart identity cascade")


@pytest.fixture(scope="session")
def broker(server_dir: Path) -> Iterator[LocalBroker]:
    """The embedded broker of this worker; it is restarted when a test kills it."""
    with LocalBroker(server_dir / "mqtt") as server:
        server.watch()
        yield server


@pytest.fixture(scope="session")
def mosquitto_broker(server_dir: Path) -> Iterator[Mosquitto]:
    """A broker as in production. Skips without mosquitto; in CI that is a failure."""
    if mosquitto_program() is None:
        reason = "needs mosquitto: sudo apt-get install mosquitto"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with Mosquitto(server_dir / "mosquitto") as server:
        server.watch()
        yield server
