"""Upkeep of devices: modules and hubs replaced, moved and taken away; hubs claimed."""

from typing import Annotated

from ninja import Schema
from pydantic import Field, StrictBool, StrictInt

from balans.storage import hubs, remounting
from balans.storage.api_keys import Scope
from balans.storage.hubs import HubOrder
from balans.storage.remounting import ModuleInfo
from balans.usecases.mount_order import SERIAL_MAX
from balans.web.api.askers import ApiRequest
from balans.web.api.devices import Shown
from balans.web.api.operations import Operations
from balans.web.api.values import CODE, TEXT, Body, HubCode, Note, Serial
from balans.web.clock import site_clock

operations = Operations("Devices")
Code = Annotated[str, Field(pattern=CODE)]
Secret = Annotated[str, Field(min_length=1, max_length=200, pattern=TEXT)]
Dials = Annotated[
    dict[str, Shown],
    Field(max_length=3, description="What the meters show now, by serial number, in their unit."),
]


class HangingOut(Schema):
    """A meter on an input."""

    input: int
    meter: str
    point: str


class ModuleNow(Schema):
    """A module as it is now."""

    serial: int
    place: str
    hub: str | None
    removed: bool
    meters: list[HangingOut]


class Successor(Body):
    """The module that counts from now on what another counted."""

    successor: Annotated[StrictInt, Field(ge=0, le=SERIAL_MAX)]
    dials: Dials = {}


class Place(Body):
    """Where it shall be from now on."""

    place: Code
    dials: Dials = {}


class Leave(Body):
    """What the meters show that stay behind."""

    dials: Dials = {}


class Claim(Body):
    """A hub that waits, by the code and the secret on its label, for a site."""

    code: Code
    secret: Secret
    site: Code
    name: Note = ""
    controls: StrictBool = False


class HubSuccessor(Body):
    """The hub that takes over, by the code and the secret on its label."""

    code: Code
    secret: Secret


class HubPlace(Body):
    """The site that a hub shall serve."""

    site: Code


class Done(Schema):
    """Whether something was changed."""

    changed: bool


@operations.post("/modules/{serial}/replace", Scope.WRITE_REGISTRY, ModuleNow, status=200)
def replace_module(request: ApiRequest, serial: Serial, body: Successor) -> ModuleNow:
    """Let another module count, input by input, what this one counted."""
    person, now = request.auth.person, site_clock().now()
    return _now(remounting.replace_module(person, serial, body.successor, now, body.dials))


@operations.post("/modules/{serial}/move", Scope.WRITE_REGISTRY, ModuleNow, status=200)
def move_module(request: ApiRequest, serial: Serial, body: Place) -> ModuleNow:
    """Take a module to another place; its meters stay behind, counted by nothing."""
    person, now = request.auth.person, site_clock().now()
    return _now(remounting.move_module(person, serial, body.place, now, body.dials))


@operations.post("/modules/{serial}/remove", Scope.WRITE_REGISTRY, ModuleNow, status=200)
def remove_module(request: ApiRequest, serial: Serial, body: Leave) -> ModuleNow:
    """Take a module out of service; its readings and its history stay."""
    person, now = request.auth.person, site_clock().now()
    return _now(remounting.remove_module(person, serial, now, body.dials))


@operations.post("/hubs/claim", Scope.WRITE_REGISTRY, Done, status=200)
def claim_hub(request: ApiRequest, body: Claim) -> Done:
    """Make a hub that waits the utility's, at a site. Repeating it changes nothing."""
    order = HubOrder(
        code=body.code,
        secret=body.secret,
        site=body.site,
        name=body.name,
        controls=body.controls,
    )
    return Done(changed=hubs.claim_hub(request.auth.person, order, site_clock().now()))


@operations.post("/hubs/{code}/replace", Scope.WRITE_REGISTRY, Done, status=200)
def replace_hub(request: ApiRequest, code: HubCode, body: HubSuccessor) -> Done:
    """Put another hub in the place of this one; its modules and its task pass on."""
    person = request.auth.person
    site = hubs.hub_for(person, code)[1].code
    order = HubOrder(code=body.code, secret=body.secret, site=site)
    hubs.replace_hub(person, code, order, site_clock().now())
    return Done(changed=True)


@operations.post("/hubs/{code}/move", Scope.WRITE_REGISTRY, Done, status=200)
def move_hub(request: ApiRequest, code: HubCode, body: HubPlace) -> Done:
    """Let a hub serve another site from now on."""
    person = request.auth.person
    changed = hubs.hub_for(person, code)[1].code != body.site
    hubs.move_hub(person, code, body.site, site_clock().now())
    return Done(changed=changed)


@operations.post("/hubs/{code}/remove", Scope.WRITE_REGISTRY, Done, status=200)
def remove_hub(request: ApiRequest, code: HubCode) -> Done:
    """Take a hub out of service and give its code back; its modules wait for another."""
    hubs.remove_hub(request.auth.person, code, site_clock().now())
    return Done(changed=True)


def _now(one: ModuleInfo) -> ModuleNow:
    return ModuleNow(
        serial=one.serial,
        place=one.place.code,
        hub=one.hub or None,
        removed=one.removed_at is not None,
        meters=[
            HangingOut(input=meter.input, meter=meter.meter, point=meter.point)
            for meter in one.meters
        ],
    )
