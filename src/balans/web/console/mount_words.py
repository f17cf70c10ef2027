"""Why something cannot be mounted, and what was mounted, in words."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from balans.core.words import Resource
from balans.storage.mounting import Mounted, MountRefusedError
from balans.usecases.mount_order import weight_text
from balans.web.shown import words
from balans.web.shown.names import named

REFUSALS: Final[dict[str, Promise]] = {
    "elsewhere": _("Module %(module)s is registered by another utility."),
    "mounted_there": _(
        "Module %(module)s hangs at %(place)s already. Move it, or replace it there."
    ),
    "no_input": _("A module with a switching adapter has no input %(input)s."),
    "input_taken": _("Input %(input)s already counts meter %(meter)s at %(point)s."),
    "meter_kind": _("Meter %(meter)s is registered for %(resource)s."),
    "meter_weight": _("Meter %(meter)s is registered with the pulse weight %(weight)s."),
    "weight_missing": _("Meter %(meter)s is new: give its pulse weight."),
    "meter_elsewhere": _("Meter %(meter)s hangs at %(place)s. Is the number right?"),
    "meter_counted": _("Meter %(meter)s is counted by module %(module)s already."),
    "point_place": _("Metering point %(point)s is at another place."),
    "point_kind": _("Metering point %(point)s measures %(resource)s."),
    "point_taken": _("Metering point %(point)s has meter %(meter)s."),
    "ordered": _("It interrupts the supply of %(point)s, and an order for that is under way."),
    "no_adapter": _("Module %(module)s has no adapter; the supply of %(point)s needs one."),
    "same": _("Give the number of another module."),
    "not_claimable": _(
        "No hub %(hub)s waits with this secret. Check the label; a hub must be switched on and"
        " connected, then it announces itself within a minute."
    ),
    "disputed": _(
        "Two hubs say that they are %(hub)s. For a day after the second was heard neither can be"
        " accepted: switch off the wrong one."
    ),
    "controlled": _("Another hub runs load control of %(place)s."),
    "conflict": _("This contradicts what is registered for another time: %(reason)s"),
}
TESTS: Final[dict[str, Promise]] = {
    "queued": _("asking the module"),
    "sent": _("asking the module"),
    "done": _("counts"),
    "failed": _("no answer"),
    "expired": _("no answer"),
    "no_hub": _("no hub has heard it yet"),
    "no_channel": _("not counted"),
}
TEST_TONES: Final = {"queued": "quiet", "sent": "quiet", "done": "good", "no_hub": "warn"}


def refusal_text(error: MountRefusedError) -> str:
    """Return why something was refused; what has no words of its own is told as it is."""
    text = REFUSALS.get(error.code)
    if text is None:
        return f"{error.field}: {error}" if error.field else str(error)
    values = dict(error.values)
    resource = values.get("resource")
    if resource is not None:
        values["resource"] = words.word(words.RESOURCES, resource)
        if isinstance(values.get("weight"), Fraction):
            values["weight"] = weight_text(values["weight"], Resource(resource))
    if "place" in values:
        seen = values.get("seen", True)
        values["place"] = named(values["place"]) if seen else say("a place that you cannot see")
    return str(text) % values


def answer_of(area: str, done: Mounted) -> dict[str, Any]:
    """Return what is kept of a mounting, for a form that may come again."""
    return {
        "kind": "mount",
        "area": area,
        "serial": done.serial,
        "place": done.place_name,
        "changed": done.changed,
        "inputs": [[one.number, one.resource.value, one.meter, one.point] for one in done.inputs],
    }


def answer_shown(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return a kept answer for people."""
    return {
        "serial": str(answer["serial"]),
        "title": named(answer["place"]),
        "lines": list(_lines(answer["inputs"])),
        "note": "" if answer["changed"] else say("It was so already; nothing was changed."),
    }


def _lines(inputs: list[list[Any]]) -> Iterator[str]:
    for number, resource, meter, point in inputs:
        yield say("Input %(input)s: %(resource)s, meter %(meter)s, point %(point)s") % {
            "input": number,
            "resource": words.word(words.RESOURCES, resource),
            "meter": meter,
            "point": point,
        }
    if not inputs:
        yield say("No meter yet.")
