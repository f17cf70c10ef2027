"""People who look at pages: Alice's utility with its people, and Bob's next door."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import translation
from pytest_django import DjangoDbBlocker
from tests.web import town

from balans.adapters.clock import SharedClockWriter
from balans.storage.lookups import site_by_code
from balans.storage.registry import apply_plan
from balans.storage.scope import system_scope, tenant_scope

T = TypeVar("T")


@dataclass(frozen=True)
class Town:
    """The ids of both utilities."""

    alice: int
    bob: int


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    """Begin every test in English, whatever the one before spoke."""
    with translation.override("en"):
        yield


@pytest.fixture
def fast_passwords(settings: pytest.FixtureRequest) -> None:
    """Hash passwords cheaply: their strength is Django's business."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # type: ignore[attr-defined]


@pytest.fixture
def site_time(tmp_path: Path, settings: pytest.FixtureRequest) -> Iterator[SharedClockWriter]:
    """The clock of the sites; it stands at `town.NOW` until it is set."""
    with SharedClockWriter(tmp_path / "clock") as clock:
        clock.set(town.NOW.timestamp())
        settings.CLOCK_FILE = tmp_path / "clock"  # type: ignore[attr-defined]
        yield clock


@pytest.fixture
def utilities(request: pytest.FixtureRequest) -> Town:
    """Both registries, without a single reading."""
    for name in ("db", "fast_passwords", "site_time"):
        request.getfixturevalue(name)
    alice = apply_plan(town.plan("alice", 1000)).tenant_id
    bob = apply_plan(town.plan("bob", 2000)).tenant_id
    return Town(alice, bob)


@pytest.fixture
def visit(request: pytest.FixtureRequest) -> Callable[[str], Client]:
    """A function that gives the browser of a person who has logged in."""
    request.getfixturevalue("utilities")

    def browser_of(username: str) -> Client:
        client = Client()
        with system_scope():
            user = get_user_model().objects.get(username=username)
        client.force_login(user)
        return client

    return browser_of


@pytest.fixture
def operator(visit: Callable[[str], Client]) -> Client:
    """Alice's operator."""
    return visit("alice-operator")


@pytest.fixture
def resident(visit: Callable[[str], Client]) -> Client:
    """The resident of Alice's flat 1."""
    return visit("alice-resident")


@dataclass(frozen=True)
class Pages:
    """A running `balans serve` with Alice's and Bob's utilities behind it."""

    url: str
    clock: SharedClockWriter
    process: subprocess.Popen[str]


@pytest.fixture(scope="module")
def committed(request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Both utilities in the database for other processes to see, with three days of data."""
    request.getfixturevalue("django_db_setup")
    from django.db import connection

    with django_db_blocker.unblock():
        try:
            in_thread(seed_everything)
            yield
        finally:
            in_thread(remove_everything)
            connection.close()


def seed_everything() -> None:
    """Fill the database; the newest minute is the one before `town.NOW`."""
    ids = {}
    for tenant, serial in (("alice", 1000), ("bob", 2000)):
        ids[tenant] = apply_plan(town.plan(tenant, serial)).tenant_id
        town.seed_readings(tenant, serial)
    with tenant_scope(ids["alice"]):
        site = site_by_code(ids["alice"], "alice-house")
        assert site is not None
        town.seed_study(site.id)
    day = timedelta(days=1)
    town.seed_minutes(start=town.NOW - day, end=town.NOW, received=datetime.now(UTC))


def remove_everything() -> None:
    """Empty all tables that tests fill."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "select string_agg(format('%I', relname), ', ') from pg_class"
            " where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
            " and not relispartition and relname !~ '^(django_(migrations|content_type)|auth_)'"
        )
        (tables,) = cursor.fetchone()
        cursor.execute(f"truncate {tables} restart identity cascade")


def in_thread(work: Callable[..., T], *args: Any, **options: Any) -> T:
    """Run `work` in a thread of its own: a browser's event loop runs in the one of the test."""
    from django.db import connection

    def work_and_close() -> T:
        try:
            return work(*args, **options)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work_and_close).result()


@pytest.fixture(scope="module")
def pages(
    request: pytest.FixtureRequest,
    django_database_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Pages]:
    """The product's own server process on a free port."""
    request.getfixturevalue("committed")
    folder = tmp_path_factory.mktemp("pages")
    with SharedClockWriter(folder / "clock") as clock:
        clock.set(town.NOW.timestamp())
        env = {
            **os.environ,
            "BALANS_DATABASE_URL": django_database_url,
            "BALANS_DATA_DIR": str(folder),
            "BALANS_CLOCK_FILE": str(folder / "clock"),
            "BALANS_DEMO": "1",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "balans", "serve", "--port", "0"],
            env=env,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            yield Pages(line.removeprefix("Pages at ").strip(), clock, process)
        finally:
            process.terminate()
            process.wait(timeout=15)
            process.stdout.close()
