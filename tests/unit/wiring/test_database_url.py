"""A URL becomes Django's settings; a wrong one is told without its password."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from balans.config import Settings
from balans.core.errors import InputError
from balans.wiring.database import database_settings
from balans.wiring.server import environment_of, secret_key


def test_a_url_over_the_network() -> None:
    found = database_settings("postgresql://anna:s%40cret@db.example:5433/town?sslmode=require")
    assert {key: found[key] for key in ("NAME", "USER", "PASSWORD", "HOST", "PORT")} == {
        "NAME": "town",
        "USER": "anna",
        "PASSWORD": "s@cret",
        "HOST": "db.example",
        "PORT": "5433",
    }
    assert found["OPTIONS"]["sslmode"] == "require"
    assert found["OPTIONS"]["pool"]["max_size"] > 1
    assert found["CONN_HEALTH_CHECKS"] is True


def test_a_socket_in_a_folder_with_a_space() -> None:
    found = database_settings("postgresql:///town?host=/run/my%20town&user=anna", pool=False)
    assert (found["HOST"], found["USER"], found["PORT"]) == ("/run/my town", "anna", "")
    assert "pool" not in found["OPTIONS"]


def test_without_a_url_every_query_is_refused() -> None:
    assert database_settings(None) == {"ENGINE": "django.db.backends.dummy"}
    assert database_settings("") == database_settings(None)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://anna:secret@db/town", "expected postgresql://"),
        ("town", "expected postgresql://"),
        ("postgresql://anna:secret@db", "names no database"),
        ("postgresql://anna:secret@db/town?colour=red", "colour"),
        ("postgresql://anna:secret@[::1/town", "]"),
        ("postgresql://anna:secret%zz@db/town", "%zz"),
    ],
)
def test_a_wrong_url_is_told_by_its_variable(url: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        database_settings(url)
    text = str(caught.value)
    assert text.startswith("BALANS_DATABASE_URL: ")
    assert message in text
    assert "anna:secret@" not in text


def test_settings_pass_to_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Settings(
        data_dir=tmp_path,
        mqtt_url=SecretStr("mqtt://a:b@broker:1883"),
        clock_file=tmp_path / "clock",
        allowed_hosts=["balans.example"],
        port=8123,
    )
    for name, value in environment_of(first, "postgresql://db/town").items():
        monkeypatch.setenv(name, value)
    second = Settings()
    url = second.database_url
    assert url is not None
    assert url.get_secret_value() == "postgresql://db/town"
    key = second.secret_key
    assert key is not None
    assert key.get_secret_value() == secret_key(first)
    same = {"data_dir", "mqtt_url", "clock_file", "allowed_hosts", "port", "host", "log_level"}
    assert second.model_dump(include=same) == first.model_dump(include=same)


def test_the_secret_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "new", secret_key=None)
    key = secret_key(settings)
    assert len(key) >= 50
    assert secret_key(settings) == key
    assert (tmp_path / "new" / "secret_key").stat().st_mode & 0o077 == 0
    assert secret_key(Settings(data_dir=tmp_path, secret_key=SecretStr("mine"))) == "mine"
