"""The database a command works on, started here if nobody else runs it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from balans.config import Settings


@contextmanager
def database(settings: "Settings", *, create_user: bool = False) -> Iterator[str]:
    """Give the address of a database that answers."""
    from balans.wiring.embedded import open_parts

    with open_parts(settings, broker=False, create_user=create_user, progress=_tell) as parts:
        yield parts.database_url


def _tell(message: str) -> None:
    print(message, file=sys.stderr)
