"""Where a value stands in a message: ``ENERGY.Total``, ``phases[2].energy``, ``"a.b".c``."""

import re
from dataclasses import dataclass

from typing_extensions import override

from balans.core.errors import InputError

Document = object
"""What a payload holds: texts, numbers (`int`, `Decimal`), lists and dictionaries of them."""

ABSENT = object()
"""What `Path.find` returns where a message says nothing; null is not nothing."""

_STEP = re.compile(r'(?:"([^"]+)"|([^.\[\]"]+))|\[(\d{1,4})\]')
Steps = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Path:
    """A way into a document; without steps it is the document itself."""

    steps: Steps = ()

    def find(self, document: Document) -> Document:
        """Return what stands there, None where it or what it stands in is null, or `ABSENT`."""
        at = document
        for step in self.steps:
            if at is None:
                return None
            if isinstance(step, int):
                if not isinstance(at, list) or step >= len(at):
                    return ABSENT
                at = at[step]
            elif isinstance(at, dict) and step in at:
                at = at[step]
            else:
                return ABSENT
        return at

    @override
    def __str__(self) -> str:
        shown = ""
        for step in self.steps:
            if isinstance(step, int):
                shown += f"[{step}]"
            else:
                shown += ("." if shown else "") + (f'"{step}"' if "." in step else step)
        return shown or "the payload"


def parse_path(text: str) -> Path:
    """Return the path written as `text`; "" is the document itself.

    Raises
    ------
    InputError
        Naming the place in `text` that cannot be read.

    >>> parse_path('phases[2]."a.b"').steps
    ('phases', 2, 'a.b')
    """
    steps: list[str | int] = []
    at = 0
    while at < len(text):
        if steps and text[at] == ".":
            at += 1
        match = _STEP.match(text, at)
        joined = at == 0 or text[at - 1] == "." or (match and match[3] is not None)
        if match is None or not joined:
            raise InputError(
                f"path {text!r}, character {at + 1}: expected names joined by dots, such as "
                'ENERGY.Total, phases[0].energy or "a.b".c'
            )
        steps.append(int(match[3]) if match[3] is not None else match[1] or match[2])
        at = match.end()
    return Path(tuple(steps))
