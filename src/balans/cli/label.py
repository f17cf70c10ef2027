"""``balans label``: the label of a hub with its secret, or of a module, as text and as QR code."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from balans.cli.common import AsJson, new_app, print_json
from balans.core.errors import InputError

if TYPE_CHECKING:
    from balans.usecases.qr_text import Label

app = new_app("Make the label of a hub or a module.")

Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Write the QR code there: .svg, .png or .pdf."),
]
GROUP = 4
FORMATS = {".svg", ".png", ".pdf"}
QR_SCALE = 8


@app.callback()
def group() -> None:
    """Make the label of a hub or a module."""


@app.command(epilog="Example: balans label hub roof-7 --out roof-7.svg")
def hub(
    code: Annotated[str, typer.Argument(metavar="CODE", help="Code of the hub.")],
    secret: Annotated[
        str, typer.Option(metavar="SECRET", help="Secret it has already; else a new one is made.")
    ] = "",
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Make a label of a hub: whoever shows its secret may accept the hub.

    The secret goes into the file of the gateway, as label_secret, and on the label. It is printed
    here and kept nowhere else.
    """
    from balans.core.words import DeviceKind
    from balans.protocols.claim import plain_secret
    from balans.protocols.fields import NAME
    from balans.usecases.qr_text import Label

    if not NAME.fullmatch(code):
        raise InputError(f"CODE {code[:64]!r}: expected 1-64 of A-Z a-z 0-9 _ . -")
    plain = plain_secret(secret) if secret else _new_secret()
    label = Label(kind=DeviceKind.HUB, code=code, secret=plain)
    parts = [plain[n : n + GROUP] for n in range(0, len(plain), GROUP)]
    _print(label, {"label_secret": "-".join(parts)}, out, as_json)


@app.command(epilog="Example: balans label module 4711 --inputs 3 --out 4711.svg")
def module(
    serial: Annotated[int, typer.Argument(metavar="SERIAL", help="Serial number of the module.")],
    inputs: Annotated[int, typer.Option(metavar="N", help="How many inputs it has.")] = 3,
    adapter: Annotated[bool, typer.Option("--adapter", help="It has a switching adapter.")] = False,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Make a label of a module: scanned where it is mounted, nobody types its number."""
    from balans.core.words import DeviceKind
    from balans.usecases.mount_order import SERIAL_MAX
    from balans.usecases.qr_text import Label

    if not 0 <= serial <= SERIAL_MAX:
        raise InputError(f"SERIAL {serial}: expected 0 to {SERIAL_MAX}")
    most = 2 if adapter else 3
    if not 1 <= inputs <= most:
        raise InputError(f"--inputs {inputs}: expected 1 to {most}")
    label = Label(kind=DeviceKind.MODULE, code=str(serial), inputs=inputs, has_adapter=adapter)
    _print(label, {}, out, as_json)


def _new_secret() -> str:
    import secrets

    from balans.protocols.claim import ALPHABET, SECRET_LEAST

    return "".join(secrets.choice(ALPHABET) for _ in range(SECRET_LEAST))


def _print(label: "Label", more: dict[str, str], out: Path | None, as_json: bool) -> None:
    import segno

    from balans.usecases.qr_text import label_text

    text = label_text(label)
    code = segno.make(text, error="m", micro=False)
    if out is not None:
        if out.suffix.lower() not in FORMATS:
            raise InputError(
                f"--out {out}: expected a name that ends in {', '.join(sorted(FORMATS))}"
            )
        try:
            code.save(str(out), scale=QR_SCALE)
        except OSError as error:
            raise InputError(f"--out {out}: {error.strerror}") from error
    if as_json:
        print_json({"text": text, **more, "file": None if out is None else str(out)})
        return
    if out is None:
        code.terminal(compact=True)
    print(text)
    for name, value in more.items():
        print(f'{name} = "{value}"')
