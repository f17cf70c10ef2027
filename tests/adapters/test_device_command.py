"""``balans device``: list, show, check, and record from a real broker."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

from balans.adapters.localmqtt import LocalBroker
from balans.adapters.mqtt import Link

LIMIT_S = 20.0


def run(*args: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "balans", "device", *args]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_definitions_are_listed_shown_and_checked(tmp_path: Path) -> None:
    listed = run("list", "--json", folder=tmp_path)
    rows = {row["name"]: row for row in json.loads(listed.stdout)}
    assert rows["esphome"]["parameters"] == ["device", "sensor"]
    assert rows["tasmota"]["channels"][0] == {
        "name": "import",
        "resource": "electricity",
        "pulse": "1000/kWh",
    }
    assert "tasmota: Tasmota plug" in run("list", folder=tmp_path).stdout
    own = tmp_path / "own.toml"
    own.write_text(run("show", "tasmota", folder=tmp_path).stdout)
    good = run("check", "own.toml", folder=tmp_path)
    assert (good.returncode, good.stdout) == (0, "own.toml: as expected\n")
    own.write_text(own.read_text().replace("register = 412", "register = 413"))
    bad = run("check", "own.toml", folder=tmp_path)
    assert bad.returncode == 1
    assert "412 measured came out; expected 413 measured" in bad.stdout
    told = json.loads(run("check", "own.toml", "--json", folder=tmp_path).stdout)
    assert len(told["findings"]) == 1
    unknown = run("check", "nothing", folder=tmp_path)
    assert unknown.returncode == 2
    assert "no definition 'nothing'" in unknown.stderr


async def test_messages_are_recorded_as_samples(broker: LocalBroker, tmp_path: Path) -> None:
    command = ["device", "record", "plugs/#", "--count", "2", "--mqtt-url", broker.url]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "balans", *command, stdout=asyncio.subprocess.PIPE, cwd=tmp_path
    )
    link = Link(broker.url, "plugs", [], lambda _topic, _data: None)
    task = asyncio.create_task(link.run())
    await asyncio.wait_for(link.wait_connected(), LIMIT_S)
    recorded = b""
    async with asyncio.timeout(LIMIT_S):
        assert process.stdout is not None
        while not recorded:  # until it listens
            await link.publish("plugs/one", b'{"it\'s": 1}', qos=1)
            try:
                recorded = await asyncio.wait_for(process.stdout.read(2000), 0.2)
            except TimeoutError:
                continue
        await link.publish("plugs/two", b"\xff", qos=1)
        recorded += await process.stdout.read()
        assert await process.wait() == 0
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    text = recorded.decode()
    assert 'topic = \'plugs/one\'\npayload = "{\\"it\'s\\": 1}"\n' in text


def test_nothing_to_record_and_no_broker_are_told(broker: LocalBroker, tmp_path: Path) -> None:
    silent = run("record", "nothing", "--seconds", "1", "--mqtt-url", broker.url, folder=tmp_path)
    assert silent.returncode == 1
    assert "nothing came on nothing within 1 s" in silent.stderr
    for args, complaint in [
        (["record", "x"], "no broker: give --mqtt-url"),
        (["record", "a/#/b", "--mqtt-url", broker.url], "# may only stand at the end"),
        (["record", "x", "--mqtt-url", "http://x"], "the scheme is http"),
    ]:
        told = run(*args, folder=tmp_path)
        assert told.returncode == 2
        assert complaint in told.stderr
