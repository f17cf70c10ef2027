"""The root of every error the product raises on purpose."""

from dataclasses import dataclass, field
from typing import Any

from typing_extensions import override


class BalansError(Exception):
    """Something went wrong that the message explains to the person who can mend it.

    Each subclass carries a ``code`` that stays the same when the wording changes.
    """

    code = "error"


class InputError(BalansError):
    """The user gave something unusable: the command ends with exit code 2."""

    code = "bad_input"


class UnavailableError(BalansError):
    """A part that is needed (database, broker, disk) cannot be used right now."""

    code = "unavailable"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing noticed about data: where, what, how bad, and the very item it is about."""

    where: str
    what: str
    severity: str = "error"  # error | warning
    item: Any = field(default=None, compare=False, repr=False)

    @override
    def __str__(self) -> str:
        return f"{self.where}: {self.what}"
