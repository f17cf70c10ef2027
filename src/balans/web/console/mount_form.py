"""What an installer fills in for one module, and what is wrong with it, field by field."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final
from uuid import UUID, uuid4

from django.utils.translation import gettext as _

from balans.core.errors import InputError
from balans.core.text import printable
from balans.core.words import UNIT, DeviceKind, Phase, Resource
from balans.storage.mounting import MountRefusedError
from balans.usecases.mount_order import (
    INPUTS,
    InputOrder,
    MountOrder,
    parse_dial,
    parse_weight,
    weight_text,
)
from balans.usecases.prepared_list import parse_ratio
from balans.usecases.qr_text import Label, parse_label
from balans.web.console.mount_words import refusal_text
from balans.web.shown import words

SHOWN_LETTERS: Final = 40
KEPT_FIELDS: Final = ("resource", "weight", "ratio", "phase")
"""What is the same from flat to flat: the next form begins with it."""

INPUT_FIELDS: Final = (*KEPT_FIELDS, "meter", "dial")


@dataclass(frozen=True, slots=True)
class FilledInput:
    """The fields of one input of the form, for the template."""

    number: int
    values: Mapping[str, str]
    errors: Mapping[str, str]
    needed: bool

    @property
    def unit(self) -> str:
        """Unit of the dial, empty while nothing is chosen."""
        resource = self.values["resource"]
        return str(words.UNITS[UNIT[Resource(resource)]]) if resource in set(Resource) else ""

    @property
    def has_details(self) -> bool:
        """Whether the fields that seldom change must be seen."""
        return self.needed or any(name in self.errors for name in ("weight", "ratio", "phase"))


@dataclass(slots=True)
class MountForm:
    """A form by its texts. `errors` fill up while it is read."""

    values: dict[str, str]
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def blank(cls, kept: Mapping[str, str], **values: str) -> "MountForm":
        """Return a new form that begins with what was `kept` of the one before."""
        return cls({"token": str(uuid4()), **kept, **values})

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "MountForm":
        """Return the form that was sent."""
        return cls({name: printable(str(value)) for name, value in given.items()})

    def text(self, name: str) -> str:
        """Return what stands in a field, without blanks around it."""
        return self.values.get(name, "").strip()

    @property
    def token(self) -> UUID:
        """The token that tells this form from others; a form without one is a new one."""
        try:
            return UUID(self.text("token"))
        except ValueError:
            return uuid4()

    @property
    def inputs(self) -> list[FilledInput]:
        """The inputs for the template."""
        return [self._input(number) for number in INPUTS]

    def kept(self) -> dict[str, str]:
        """Return what the next form begins with."""
        names = [f"{name}-{number}" for name in KEPT_FIELDS for number in INPUTS]
        return {name: self.text(name) for name in ("adapter", *names) if self.text(name)}

    def fill(self, label: Label) -> None:
        """Take over what a label says into fields that are empty."""
        if label.place and not self.text("place"):
            self.values["place"] = label.place
        if label.has_adapter:
            self.values["adapter"] = "on"
        for one in label.meters:
            self.fill_input(one)

    def clear_inputs(self) -> None:
        """Forget which inputs are used, since somebody prepared exactly those that are."""
        for number in INPUTS:
            self.values.pop(f"resource-{number}", None)

    def fill_input(self, one: InputOrder) -> None:
        """Show what somebody prepared for an input."""
        weight = one.pulse_weight
        texts = {
            "resource": one.resource.value,
            "meter": one.meter,
            "weight": "" if weight is None else weight_text(weight, one.resource),
            "ratio": "" if one.transformer_ratio == 1 else str(one.transformer_ratio),
            "phase": one.phase.value if one.phase else "",
            "dial": "" if one.dial is None else f"{one.dial:f}",
        }
        self.values |= {f"{name}-{one.number}": text for name, text in texts.items() if text}

    def order(self) -> MountOrder | None:
        """Return what shall be mounted; None where the form is wrong, then `errors` say why."""
        label = self._label()
        if label is not None:
            self.fill(label)
        place = self.text("place")
        if not place:
            self.errors["place"] = _("Choose the place.")
        elif label is not None and label.place and label.place != place:
            self.errors["place"] = _("This label was prepared for another place: %(place)s.") % {
                "place": label.place
            }
        inputs = tuple(one for number in INPUTS if (one := self._order_of(number)) is not None)
        if self.errors or label is None:
            return None
        return MountOrder(
            serial=label.serial,
            place=place,
            has_adapter=bool(self.text("adapter")) or label.has_adapter,
            inputs=inputs,
        )

    def refuse(self, error: MountRefusedError) -> None:
        """Note at its field why an order was refused."""
        where = error.field
        if where.startswith("input "):
            number = where.removeprefix("input ")
            where = f"{'weight' if error.code == 'weight_missing' else 'meter'}-{number}"
        self.errors[where or "module"] = refusal_text(error)

    def _label(self) -> Label | None:
        text = self.text("module")
        if not text:
            self.errors["module"] = _("Scan the label of the module, or type its number.")
            return None
        try:
            label = parse_label(text)
        except InputError:
            self.errors["module"] = _(
                "“%(given)s” is no label of a module: expected its number, or a text such as"
                " BALANS:M:4711:3."
            ) % {"given": _short(text)}
            return None
        if label.kind != DeviceKind.MODULE:
            self.errors["module"] = _("This is the label of a hub, not of a module.")
            return None
        return label

    def _input(self, number: int) -> FilledInput:
        values = {name: self.text(f"{name}-{number}") for name in INPUT_FIELDS}
        errors = {
            name: self.errors[f"{name}-{number}"]
            for name in INPUT_FIELDS
            if f"{name}-{number}" in self.errors
        }
        return FilledInput(
            number, values, errors, bool(values["resource"] and not values["weight"])
        )

    def _order_of(self, number: int) -> InputOrder | None:
        resource_text = self.text(f"resource-{number}")
        if not resource_text:
            if self.text(f"meter-{number}"):
                self.errors[f"resource-{number}"] = _("Choose what this meter measures.")
            return None
        if resource_text not in set(Resource):
            self.errors[f"resource-{number}"] = _("Choose what this meter measures.")
            return None
        resource = Resource(resource_text)
        meter = self.text(f"meter-{number}")
        if not meter:
            self.errors[f"meter-{number}"] = _("Give the number of the meter.")
        return InputOrder(
            number=number,
            resource=resource,
            meter=meter,
            pulse_weight=self._weight(number, resource),
            transformer_ratio=self._ratio(number),
            dial=self._dial(number),
            phase=self._phase(number),
        )

    def _weight(self, number: int, resource: Resource) -> Fraction | None:
        text = self.text(f"weight-{number}")
        try:
            return parse_weight(text, resource) if text else None
        except InputError:
            example = "1600/kWh" if "h" in UNIT[resource] else "10 l"
            self.errors[f"weight-{number}"] = _(
                "“%(given)s” is no pulse weight: give one such as %(example)s."
            ) % {"given": _short(text), "example": example}
            return None

    def _ratio(self, number: int) -> Fraction:
        text = self.text(f"ratio-{number}")
        try:
            return parse_ratio(text) if text else Fraction(1)
        except InputError:
            self.errors[f"ratio-{number}"] = _(
                "“%(given)s” is no transformer ratio: give one such as 100/5."
            ) % {"given": _short(text)}
            return Fraction(1)

    def _dial(self, number: int) -> Any:
        text = self.text(f"dial-{number}")
        try:
            return parse_dial(text) if text else None
        except InputError:
            self.errors[f"dial-{number}"] = _(
                "“%(given)s” is no reading: give a number such as 123.456."
            ) % {"given": _short(text)}
            return None

    def _phase(self, number: int) -> Phase | None:
        text = self.text(f"phase-{number}")
        return Phase(text) if text in set(Phase) else None


def _short(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())[:SHOWN_LETTERS]
