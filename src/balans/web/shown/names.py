"""Names from the registry. They are data; the usual ones have words in each language."""

import re
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

USUAL: Final[dict[str, Promise]] = {
    "Electricity": _("Electricity"),
    "Cold water": _("Cold water"),
    "Cold water (generated)": _("Cold water (generated)"),
    "Hot water": _("Hot water"),
    "Gas": _("Gas"),
    "Gas (generated)": _("Gas (generated)"),
    "Heat": _("Heat"),
    "Inflow of the building": _("Inflow of the building"),
    "Water heater": _("Water heater"),
    "Water heater and air-conditioner": _("Water heater and air-conditioner"),
    "Laundry": _("Laundry"),
    "Kitchen": _("Kitchen"),
    "contract": _("contract"),
    "transformer": _("transformer"),
    "own limit": _("own limit"),
    "own": _("own limit"),
    "fuse": _("fuse"),
}
NUMBERED: Final[dict[str, Promise]] = {
    "Flat": _("Flat %(number)s"),
    "Riser": _("Riser %(number)s"),
    "own limit": _("own limit %(number)s"),
}
KIND_LETTERS: Final = 3
"""From so many letters on a word is taken for the beginning of a kind."""
RECORDED: Final = re.compile(r"(.+) \(recorded week of (\d{4}-\d\d-\d\d)\)")
"""How the demo labels what is played by a recording."""


def named(name: str) -> str:
    """Return `name` in the reader's language where it is a usual one, else as it was given.

    >>> named("Flat 7"), named("Grandmother's house")
    ('Flat 7', "Grandmother's house")
    """
    if name in USUAL:
        return str(USUAL[name])
    kind, _space, number = name.rpartition(" ")
    if kind in NUMBERED and number.isdigit():
        return str(NUMBERED[kind]) % {"number": number}
    recorded = RECORDED.fullmatch(name)
    if recorded:
        label = _("recorded week of %(date)s") % {"date": recorded[2]}
        return f"{named(recorded[1])} ({label})"
    return name


def asked_words(text: str) -> list[list[str]]:
    """Return the words of a search, each with what it may be called in the registry.

    >>> asked_words("Linden 12"), asked_words(" ")
    ([['Linden'], ['12']], [])
    """
    return [[word, *_kinds(word)] for word in text.replace("\0", "").split()]


def _kinds(word: str) -> list[str]:
    """Return the numbered kinds that begin with `word` in the reader's language."""
    begun = word.casefold()
    return [
        kind
        for kind, label in NUMBERED.items()
        if len(begun) >= KIND_LETTERS
        and not kind.casefold().startswith(begun)
        and (str(label) % {"number": ""}).strip().casefold().startswith(begun)
    ]
