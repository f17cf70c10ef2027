"""Settings: environment over file, secrets from files, and messages that name the place."""

import os
from pathlib import Path

import pytest

from balans.config import load
from balans.core.errors import InputError


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("BALANS_")]:
        monkeypatch.delenv(name)


def test_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "balans.toml"
    file.write_text('port = 9000\nhost = "10.0.0.1"\n')
    monkeypatch.setenv("BALANS_PORT", "9001")
    settings = load(file)
    assert (settings.port, settings.host) == (9001, "10.0.0.1")


def test_secret_comes_from_a_file_and_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "url").write_text("postgresql://u:geheim@db/balans\n")
    monkeypatch.setenv("BALANS_DATABASE_URL_FILE", str(tmp_path / "url"))
    settings = load()
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "postgresql://u:geheim@db/balans"
    assert "geheim" not in repr(settings)


def test_default_data_dir_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/srv/x")
    assert load().data_dir == Path("/srv/x/balans")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("port = 99999999", ["balans.toml", "port"]),
        ("prot = 80\n", ["balans.toml", "prot"]),
        ("port = = 1", ["balans.toml", "line 1"]),
        ('log_level = "LOUD"', ["balans.toml", "log_level"]),
    ],
    ids=["range", "unknown", "syntax", "pattern"],
)
def test_a_wrong_file_is_named_with_its_field(tmp_path: Path, text: str, words: list[str]) -> None:
    file = tmp_path / "balans.toml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        load(file)
    for word in words:
        assert word in str(caught.value)


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALANS_PORT", "many")
    with pytest.raises(InputError, match="BALANS_PORT"):
        load()


def test_a_list_that_is_no_json_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALANS_ALLOWED_HOSTS", "example.org")
    with pytest.raises(InputError, match="BALANS_ALLOWED_HOSTS: is not JSON"):
        load()


def test_a_secret_that_is_no_text_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_bytes(b"\xff\xfe")
    monkeypatch.setenv("BALANS_SECRET_KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(InputError, match=r"BALANS_SECRET_KEY_FILE: .*key: is not text"):
        load()


def test_a_missing_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"none\.toml: No such file"):
        load(tmp_path / "none.toml")
    monkeypatch.setenv("BALANS_SECRET_KEY_FILE", "/no/such")
    with pytest.raises(InputError, match="BALANS_SECRET_KEY_FILE: /no/such"):
        load()


def test_a_misspelt_variable_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALANS_DATABSE_URL", "postgresql://db/balans")
    with pytest.raises(InputError, match="BALANS_DATABASE_URL is meant"):
        load()


def test_the_value_is_shown_but_for_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BALANS_PORT", "many")
    with pytest.raises(InputError, match="BALANS_PORT = 'many'"):
        load()
    file = tmp_path / "balans.toml"
    file.write_text("secret_key = 12345\n")
    monkeypatch.delenv("BALANS_PORT")
    with pytest.raises(InputError) as caught:
        load(file)
    assert "secret_key" in str(caught.value)
    assert "12345" not in str(caught.value)
