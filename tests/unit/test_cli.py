"""The command line: lazy, with exit codes that scripts can rely on."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer

from balans.cli import main as cli
from balans.cli.common import new_app
from balans.core.errors import BalansError, InputError


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CONFIG", "DATABASE_URL", "MQTT_URL", "PORT", "DATA_DIR", "SECRET_KEY"):
        monkeypatch.delenv(f"BALANS_{name}", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as left:
        cli.main(list(args))
    return int(left.value.code or 0)


def failing(error: BaseException) -> typer.Typer:
    app = new_app("Fail.")

    @app.command()
    def fail() -> None:
        """Fail."""
        raise error

    return app


def plant(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    module = type(sys)("planted")
    module.app = failing(error)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "planted", module)
    monkeypatch.setitem(cli.COMMANDS, "planted", cli.Entry("planted:app", "Fail."))


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    printed = capsys.readouterr().out
    for name, entry in cli.COMMANDS.items():
        assert f"  {name} " in printed
        assert entry.help in printed


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_is_there_with_help_and_example(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(name, "--help") == 0
    printed = capsys.readouterr().out
    subcommands = printed.partition("Commands:\n")[2].splitlines()
    for line in subcommands:
        if line.startswith("  ") and line[2:3].strip():
            assert run(name, line.split()[0], "--help") == 0
            assert "Example:" in capsys.readouterr().out
    if not subcommands:
        assert "Example:" in printed


def test_the_list_of_commands_imports_none_of_them() -> None:
    code = """
import sys
from balans.cli.main import main
try:
    main(["--help"])
except SystemExit:
    heavy = {"django", "psycopg", "pydantic", "aiomqtt", "numpy", "asyncio", "rich"}
    print(sorted(heavy & sys.modules.keys()), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == "balans 0.1.0\n"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["gatway"], "Did you mean 'gateway'?"),
        (["config", "show", "--nonsense"], "No such option"),
        (["config"], "Missing command"),
        (["--config"], "requires an argument"),
        (["db", "backup"], "Missing argument"),
    ],
    ids=["command", "typo", "option", "subcommand", "value", "argument"],
)
def test_wrong_usage_is_2(args: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*args) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("site.toml: line 3"), 2),
        (BalansError("the disk is full"), 1),
        (KeyboardInterrupt(), 130),
    ],
    ids=["input", "failure", "ctrl-c"],
)
def test_errors_become_exit_codes(
    error: BaseException,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plant(monkeypatch, error)
    assert run("planted") == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (f"balans: {error}\n" if str(error) else "")


def test_a_mistake_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        cli.main(["planted"])


def test_config_show_masks_and_is_toml(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "balans.toml").write_text('host = "10.0.0.1"\n')
    monkeypatch.setenv("BALANS_DATABASE_URL", "postgresql://u:geheim@db.example.org/balans")
    monkeypatch.setenv("BALANS_MQTT_URL", "mqtt://u:geheim@broker.example.org")
    monkeypatch.setenv("BALANS_SECRET_KEY", "geheim")
    assert run("--config", str(tmp_path / "balans.toml"), "config", "show") == 0
    printed = capsys.readouterr().out
    assert "geheim" not in printed
    assert "# BALANS" not in printed.replace("# Environment: BALANS", "")
    shown = tomllib.loads(printed)
    assert shown["host"] == "10.0.0.1"
    assert shown["database_url"] == "postgresql://u:***@db.example.org/balans"
    assert shown["mqtt_url"] == "mqtt://u:***@broker.example.org:1883"
    assert shown["secret_key"] == "***"
    assert "public_url" not in shown


def test_config_show_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BALANS_MQTT_URL", "nonsense:geheim")
    monkeypatch.setenv("BALANS_PORT", "9000")
    assert run("config", "show", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["port"], shown["mqtt_url"], shown["database_url"]) == (9000, "***", None)


def test_a_wrong_configuration_is_2_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "balans.toml").write_text("port = many\n")
    assert run("--config", str(tmp_path / "balans.toml"), "config", "show") == 2
    said = capsys.readouterr().err
    assert said.startswith(f"balans: {tmp_path}/balans.toml: ")
    assert "line 1" in said


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://u:geheim@host/db", "BALANS_DATABASE_URL: expected postgresql://"),
        ("postgresql://u:geheim@127.0.0.1:1/db", "BALANS_DATABASE_URL: postgresql://u:***@127"),
    ],
    ids=["scheme", "nobody listens"],
)
@pytest.mark.parametrize("command", ["init", "migrate", "status"])
def test_a_wrong_database_url_is_2_and_named(
    command: str,
    url: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("BALANS_DATABASE_URL", url)
    assert run("db", command) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(f"balans: {said}")
    assert "geheim" not in printed.err
    assert printed.out == ""


@pytest.mark.parametrize("command", [["migrate"], ["backup", "x.dump"]])
def test_no_empty_database_is_made_by_mistake(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("db", *command, "--data-dir", str(tmp_path / "none")) == 2
    assert "no database here; `balans db init` makes one" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_status_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("db", "status", "--json", "--data-dir", str(tmp_path / "none")) == 0
    assert json.loads(capsys.readouterr().out) == {
        "kind": "embedded",
        "running": False,
        "exists": False,
        "data_dir": str(tmp_path / "none"),
    }


@pytest.mark.parametrize("content", [b"", b"no dump", b"PGDMP" + b"\x00" * 50])
def test_what_is_no_backup_is_refused(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(content)
    assert run("db", "restore", str(tmp_path / "file"), "--data-dir", str(tmp_path / "none")) == 2
    assert f"{tmp_path}/file: is " in capsys.readouterr().err
    assert not (tmp_path / "none").exists(), "nothing is begun with a bad file"
