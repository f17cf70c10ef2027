"""Embedded parts of a process: owned by the first, joined by the others."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from balans.adapters import localmqtt, localpg
from balans.config import Settings
from balans.core.errors import InputError, UnavailableError
from balans.wiring.embedded import open_parts


@pytest.fixture(scope="module")
def settings(server_dir: Path) -> Settings:
    return Settings(data_dir=server_dir / "parts")


def answers(url: str) -> bool:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def test_the_first_owns_and_others_join(settings: Settings) -> None:
    told: list[str] = []
    with open_parts(settings, progress=told.append) as owner:
        assert answers(owner.database_url)
        assert owner.mqtt_url == localmqtt.find_running(settings.data_dir)
        with open_parts(settings) as guest:
            assert (guest.database_url, guest.mqtt_url) == (owner.database_url, owner.mqtt_url)
            assert guest.postgres is None
            assert guest.local_broker is None
        assert answers(owner.database_url), "a guest stops nothing"
    assert localpg.find_running(settings.data_dir) is None
    assert localmqtt.find_running(settings.data_dir) is None
    assert told == ["creating the database"]


def test_only_what_is_needed_is_started(settings: Settings) -> None:
    with open_parts(settings, database=False) as parts:
        assert parts.mqtt_url
        assert parts.database_url == ""
        assert localpg.find_running(settings.data_dir) is None
    with open_parts(settings, broker=False) as parts:
        assert parts.database_url
        assert localmqtt.find_running(settings.data_dir) is None


def test_configured_addresses_are_used(settings: Settings, pg_url: str) -> None:
    external = settings.model_copy(
        update={"database_url": SecretStr(pg_url), "mqtt_url": SecretStr("mqtt://broker.example")}
    )
    with open_parts(external) as parts:
        assert (parts.database_url, parts.mqtt_url) == (pg_url, "mqtt://broker.example")
        assert parts.postgres is None
        assert localpg.find_running(settings.data_dir) is None


@pytest.mark.parametrize(
    ("field", "url", "said"),
    [
        ("database_url", "postgresql://u:geheim@127.0.0.1:1/x", "BALANS_DATABASE_URL: .*refused"),
        ("database_url", "sqlite:///x", "BALANS_DATABASE_URL: expected postgresql"),
        ("mqtt_url", "http://u:geheim@x", "BALANS_MQTT_URL: the scheme is http"),
    ],
    ids=["nobody listens", "no url", "no broker"],
)
def test_a_wrong_address_stops_what_was_started(
    settings: Settings, field: str, url: str, said: str
) -> None:
    wrong = settings.model_copy(update={field: SecretStr(url)})
    with pytest.raises(InputError, match=said) as caught, open_parts(wrong):
        pass
    assert "geheim" not in str(caught.value)
    assert localpg.find_running(settings.data_dir) is None


def test_a_password_the_server_refuses_is_named(settings: Settings, pg_url: str) -> None:
    login, _, place = pg_url.partition("@")
    wrong = f"{login.rpartition(':')[0]}:geheim@{place}"
    refused = settings.model_copy(update={"database_url": SecretStr(wrong)})
    with (
        pytest.raises(
            InputError, match=r"BALANS_DATABASE_URL: .*password authentication"
        ) as caught,
        open_parts(refused),
    ):
        pass
    assert "geheim" not in str(caught.value)


OWNER = """
import sys, time
from pathlib import Path
from balans.config import Settings
from balans.wiring.embedded import open_parts
with open_parts(Settings(data_dir=Path(sys.argv[1]))) as parts:
    print(parts.database_url, flush=True)
    time.sleep(600)
"""


def test_when_the_owner_is_killed_the_next_one_owns(settings: Settings) -> None:
    command = [sys.executable, "-c", OWNER, str(settings.data_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        url = owner.stdout.readline().strip()
        with open_parts(settings) as guest:
            assert guest.database_url == url
        os.kill(owner.pid, signal.SIGKILL)
    with open_parts(settings) as heir:
        assert heir.postgres
        assert heir.local_broker
        assert answers(heir.database_url)


def test_processes_that_start_together_share(settings: Settings) -> None:
    together = threading.Barrier(3)
    urls: list[tuple[str, str]] = []
    errors: list[UnavailableError] = []

    def start() -> None:
        together.wait()
        try:
            with open_parts(settings) as parts:
                urls.append((parts.database_url, parts.mqtt_url))
                together.wait()
        except UnavailableError as error:
            errors.append(error)
            together.abort()

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(urls) == 3
    assert len(set(urls)) == 1
