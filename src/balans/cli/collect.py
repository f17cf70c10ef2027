"""``balans collect``: readings carried by hand, from a hub's card to a file for the server."""

from pathlib import Path
from typing import Annotated

import typer

from balans.cli.common import AsJson, new_app, print_json, settings_of
from balans.core.errors import InputError

app = new_app("Write the readings in a hub's journal to a file that can be carried.")


@app.command(epilog="Example: balans collect /media/card/balans --out cellar.bal")
def collect(
    ctx: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A hub's journal, or the folder that holds it.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE.bal", help="New file.")],
    name: Annotated[
        str, typer.Option(metavar="NAME", help="Who collected: a hub, a person, a device.")
    ] = "",
    note: Annotated[str, typer.Option(help="Anything to be remembered.")] = "",
    as_json: AsJson = False,
) -> None:
    """Write the readings in a hub's journal to FILE, which `balans import readings` takes.

    The journal is only read: what it holds stays and is delivered as well, should its hub ever
    be connected; what comes twice changes nothing. A collector carried past modules is a gateway
    on a laptop or a small box, with a journal like any other.
    """
    from balans.gateway.carried import carried_readings
    from balans.protocols.collection import CollectionError, encode
    from balans.wiring.clock import clock_of

    found = carried_readings(folder)
    now = clock_of(settings_of(ctx).clock_file).now()
    try:
        data = encode(name or folder.resolve().name, now.timestamp(), found.records, note)
    except CollectionError as error:
        raise InputError(str(error)) from error
    _write(out, data)
    if as_json:
        print_json({"file": str(out), "readings": found.readings, "lost_entries": found.lost})
        return
    print(f"{out}: {found.readings} readings")
    if found.lost:
        print(f"{found.lost} entries of the journal are damaged and left out")


def _write(out: Path, data: bytes) -> None:
    draft = out.with_name(f"{out.name}.new")
    try:
        draft.write_bytes(data)
        draft.replace(out)
    except OSError as error:
        raise InputError(f"--out {out}: {error.strerror}") from error
