"""The definitions that come with the product, and those that a site has in files of its own."""

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from balans.adapters.devices import p1
from balans.core.errors import InputError
from balans.domain.devices import Decoder, Definition, Format
from balans.usecases.device_definition import parse_definition

DECODERS: Mapping[Format, Decoder] = {Format.P1: p1.decode}
"""Readers of payloads that are more than JSON or a number."""
SUFFIX = ".toml"


def names() -> list[str]:
    """Return the names of the definitions that come with the product."""
    return sorted(entry.name.removesuffix(SUFFIX) for entry in _folder().iterdir())


def built_in(name: str) -> str:
    """Return the text of the definition called `name`.

    Raises
    ------
    InputError
        If there is none; the message lists those that there are.
    """
    if name not in names():
        raise InputError(
            f"no definition {name!r}: expected one of {', '.join(names())}, "
            f"or a file that ends with {SUFFIX}"
        )
    return (_folder() / f"{name}{SUFFIX}").read_text(encoding="utf-8")


def definition_at(reference: str, folder: Path) -> Definition:
    """Return the definition called `reference`, or in the file of that name in `folder`.

    Raises
    ------
    InputError
        Naming the file, and in it the field that is wrong.
    """
    if not reference.endswith(SUFFIX):
        return parse_definition(built_in(reference), f"{reference}{SUFFIX}", reference)
    path = folder / reference
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}") from error
    return parse_definition(text, str(path), path.name.removesuffix(SUFFIX))


def _folder() -> Traversable:
    return files("balans.adapters.devices") / "definitions"
