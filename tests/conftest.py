"""Real servers for the tests: an embedded PostgreSQL and brokers, one of each a worker."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest

from balans.adapters.localmqtt import LocalBroker, Mosquitto, mosquitto_program
from balans.adapters.localpg import LocalPostgres


@pytest.fixture(scope="session")
def server_dir() -> Iterator[Path]:
    """A folder that servers started as root can reach under their own user.

    pytest's own temporary folders are private to the user who runs the tests.
    """
    folder = Path(tempfile.mkdtemp(prefix="balans-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def pg_server(server_dir: Path) -> Iterator[LocalPostgres]:
    """The embedded PostgreSQL of this worker, with the settings of the product."""
    with LocalPostgres(server_dir / "pg") as server:
        server.watch()
        yield server


@pytest.fixture(scope="module")
def pg_url(pg_server: LocalPostgres) -> Iterator[str]:
    """An empty database, new for each test module, owned by the role of the product."""
    import psycopg

    name = f"test_{uuid4().hex}"
    with psycopg.connect(pg_server.admin_url, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}" OWNER balans')
    yield urlunsplit(urlsplit(pg_server.url)._replace(path=f"/{name}"))
    with psycopg.connect(pg_server.admin_url, autocommit=True) as admin:
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


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
