"""Labels from the command line: readable, fit for the gateway's file, never guessable."""

import json
from pathlib import Path

import pytest

from balans.cli import main as cli
from balans.core.errors import InputError
from balans.gateway.config import parse_config
from balans.protocols.claim import plain_secret
from balans.usecases.qr_text import parse_label


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as left:
        cli.main(list(args))
    return int(left.value.code or 0)


def test_a_hub_gets_a_new_secret_each_time(capsys: pytest.CaptureFixture[str]) -> None:
    made = []
    for _ in range(2):
        assert run("label", "hub", "roof-7", "--json") == 0
        made.append(json.loads(capsys.readouterr().out))
    labels = [parse_label(one["text"]) for one in made]
    assert {label.code for label in labels} == {"roof-7"}
    assert labels[0].secret != labels[1].secret
    assert plain_secret(made[0]["label_secret"]) == labels[0].secret


def test_the_gateway_takes_the_secret_as_it_is_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("label", "hub", "roof-7", "--secret", "4k7m-ol2n-9pqr-5tvw") == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[-2] == "BALANS:H:roof-7:4K7M012N9PQR5TVW"
    text = (
        '[gateway]\nhub = "roof-7"\nsite = "s"\ndata_dir = "d"\nmqtt_url = "mqtt://x"\n'
        + printed[-1]
        + '\n[site]\nname = "house"\ntimezone = "Europe/Paris"\n'
    )
    assert parse_config(text, Path("g.toml")).label_secret == "4K7M012N9PQR5TVW"
    with pytest.raises(InputError, match=r"label_secret: secret: expected the 16") as error:
        parse_config(text.replace("5TVW", "!"), Path("g.toml"))
    assert "4K7M" not in str(error.value)


@pytest.mark.parametrize("name", ["a.svg", "a.png", "a.pdf"])
def test_a_module_as_a_picture(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    assert run("label", "module", "4711", "--adapter", "--inputs", "2", "--out", str(file)) == 0
    assert file.stat().st_size > 200


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["hub", "a b"], "CODE 'a b'"),
        (["hub", "a", "--secret", "short"], "secret: expected the 16"),
        (["module", "4294967296"], "SERIAL 4294967296"),
        (["module", "1", "--inputs", "4"], "--inputs 4: expected 1 to 3"),
        (["module", "1", "--inputs", "3", "--adapter"], "expected 1 to 2"),
        (["module", "1", "--out", "label.doc"], "--out label.doc"),
        (["module", "1", "--out", "/nowhere/label.svg"], "No such file"),
    ],
)
def test_what_is_wrong_is_named(
    args: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("label", *args) == 2
    assert words in capsys.readouterr().err
