"""``balans device``: the definitions of meters of others, and trying one."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from balans.cli.common import AsJson, new_app, print_json, settings_of
from balans.core.errors import BalansError, InputError

if TYPE_CHECKING:
    from balans.domain.devices import Definition

app = new_app("List, check and record definitions of meters that speak for themselves.")
Reference = Annotated[
    str, typer.Argument(metavar="DEFINITION", help="A name such as tasmota, or a file .toml.")
]


class CheckError(BalansError):
    """A definition does not give what it promises."""

    code = "device_check"


@app.callback()
def group() -> None:
    """List, check and record definitions of meters that speak for themselves."""


@app.command("list", epilog="Example: balans device list")
def list_(as_json: AsJson = False) -> None:
    """List the definitions that come with the product, with their channels."""
    from balans.adapters.devices import definition_at, names

    rows = [_row(definition_at(name, Path())) for name in names()]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        print(f"{row['name']}: {row['title']}")
        for channel in row["channels"]:
            print(f"    {channel['name']:12} {channel['resource'] or '':12} {channel['pulse']}")


@app.command(epilog="Example: balans device show tasmota > my-plug.toml")
def show(definition: Reference) -> None:
    """Print a definition that comes with the product, to begin a new one with."""
    from balans.adapters.devices import built_in

    print(built_in(definition), end="")


@app.command(epilog="Example: balans device check my-plug.toml")
def check(definition: Reference, as_json: AsJson = False) -> None:
    """Try a definition on its own samples; exit code 1 if something else comes out."""
    from balans.adapters.devices import DECODERS, definition_at
    from balans.usecases.check_device import check_definition

    found = definition_at(definition, Path())
    findings = check_definition(found, DECODERS)
    if as_json:
        print_json({**_row(found), "findings": [str(finding) for finding in findings]})
    else:
        print("\n".join(str(finding) for finding in findings) or f"{definition}: as expected")
    if findings:
        raise typer.Exit(1)


@app.command(epilog="Example: balans device record 'tele/boiler/#' --count 4 >> my-plug.toml")
def record(
    ctx: typer.Context,
    topic: Annotated[str, typer.Argument(help="MQTT topic filter, such as tele/boiler/#.")],
    count: Annotated[int, typer.Option(min=1, help="End after so many messages.")] = 10,
    seconds: Annotated[float, typer.Option(min=1, help="End after so long.")] = 3600,
    mqtt_url: Annotated[
        str | None, typer.Option(help="The broker; default: the one of the configuration.")
    ] = None,
) -> None:
    """Print messages of a broker as samples of a definition, as they come."""
    secret = settings_of(ctx).mqtt_url
    url = mqtt_url or (secret.get_secret_value() if secret else None)
    if url is None:
        raise InputError("no broker: give --mqtt-url mqtt://host, or set BALANS_MQTT_URL")
    if not topic or "#" in topic[:-1] or "\x00" in topic:
        raise InputError(f"topic {topic!r}: # may only stand at the end")
    if asyncio.run(_record(url, topic, count, seconds)) == 0:
        raise CheckError(f"nothing came on {topic} within {seconds:g} s")


async def _record(url: str, topic: str, count: int, seconds: float) -> int:
    from uuid import uuid4

    from balans.adapters.clock import SystemClock
    from balans.adapters.mqtt import Link
    from balans.usecases.device_definition import sample_table

    clock, seen, done = SystemClock(), 0, asyncio.Event()

    def take(on: str, payload: bytes) -> None:
        nonlocal seen
        if seen < count:
            print(sample_table(clock.now(), on, payload), flush=True)
        seen += 1
        if seen >= count:
            done.set()

    print(f"listening for {topic}; Ctrl-C ends it", file=sys.stderr)
    link = Link(url, f"balans-record-{uuid4().hex[:8]}", [(topic, 1)], take)
    running = asyncio.ensure_future(link.run())
    try:
        async with asyncio.timeout(seconds):
            await done.wait()
    except TimeoutError:
        pass
    finally:
        running.cancel()
        await asyncio.wait([running])
    return seen


def _row(definition: "Definition") -> dict[str, Any]:
    from balans.domain.devices.device import names_in
    from balans.usecases.device_definition import unit_of

    return {
        "name": definition.name,
        "title": definition.title,
        "topics": [message.topic for message in definition.messages],
        "parameters": names_in(definition),
        "channels": [
            {"name": one.name, "resource": one.resource, "pulse": unit_of(one)}
            for one in definition.channels
        ],
    }
