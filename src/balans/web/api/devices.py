"""Devices: what was found, what is prepared, and mounting."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final

from ninja import Field, Query, Schema
from pydantic import StrictBool, StrictInt

from balans.core.words import DeviceKind, FoundState, Phase, PointRole, PreparedState, Resource
from balans.storage import access, found_devices, lookups, mounting, prepared
from balans.storage.access import NotVisibleError, Right
from balans.storage.api_keys import Scope
from balans.storage.exchange import exchange_meter, mountings_at
from balans.storage.found_devices import FoundDevice, NotFoundError
from balans.storage.mounting import Mounted
from balans.storage.mountings import Mounting
from balans.storage.prepared import PreparedInfo
from balans.usecases.exchange_meter import Exchange, NewMeter, OutputExchange
from balans.usecases.mount_order import (
    SERIAL_MAX,
    InputOrder,
    MountOrder,
    parse_weight,
)
from balans.usecases.prepared_list import parse_prepared, parse_ratio
from balans.web.api.askers import ApiRequest
from balans.web.api.operations import Operations
from balans.web.api.problems import FieldsError
from balans.web.api.values import (
    CODE,
    PER_UNIT,
    TEXT,
    Body,
    Note,
    Number,
    PointCode,
    Serial,
    Time,
    moment,
)
from balans.web.clock import site_clock

operations = Operations("Devices")
LIST_MAX: Final = 2_000_000
REGISTER_MAX: Final = 2**31 - 1

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=TEXT)]
Code = Annotated[str, Field(pattern=CODE)]
Weight = Annotated[
    str,
    Field(
        min_length=1,
        max_length=40,
        pattern=TEXT,
        description="As printed on the meter: 1600/kWh, 10 l, 1/2.",
    ),
]
Shown = Annotated[Decimal, Field(ge=0, lt=10**12, max_digits=18, decimal_places=6)]


class FoundAsked(Schema):
    """Which found devices."""

    state: FoundState = FoundState.FOUND


class FoundOut(Schema):
    """A device that announced itself `n` times, and what became of it."""

    kind: DeviceKind
    code: str
    state: FoundState
    hub: str
    site: str
    inputs: int
    has_adapter: bool
    model: str
    software: str
    first_seen: datetime
    last_seen: datetime
    n: int
    decided_at: datetime | None
    decided_by: str | None
    reason: str


class Why(Body):
    """Why."""

    reason: Note = ""


class InputIn(Body):
    """A meter on an input. Without `point` the one that waits for such a meter, else a new one."""

    number: Annotated[StrictInt, Field(ge=1, le=3)]
    resource: Resource
    meter: Name
    pulse_weight: Weight | None = None
    transformer_ratio: Weight = "1"
    dial: Shown | None = None
    phase: Phase | None = None
    role: PointRole = PointRole.CONSUMER
    point: Code | None = None
    point_name: Note = ""


class MountIn(Body):
    """A module at a place, and the meters on its inputs."""

    serial: Annotated[StrictInt, Field(ge=0, le=SERIAL_MAX)]
    place: Code
    has_adapter: StrictBool = False
    inputs: Annotated[list[InputIn], Field(max_length=3)] = []


class MountedInputOut(Schema):
    """What hangs on an input now; `changed`: this did it."""

    number: int
    resource: Resource
    meter: str
    point: str
    changed: bool


class MountedOut(Schema):
    """What was done; without `changed` everything was so already."""

    serial: int
    place: str
    new_module: bool
    changed: bool
    inputs: list[MountedInputOut]


class PreparedIn(Body):
    """A list of devices as CSV, or texts of labels, one a line."""

    list: Annotated[str, Field(min_length=1, max_length=LIST_MAX)]


class PreparedCount(Schema):
    """How many places wait now, were so already, and were accepted at once."""

    prepared: int
    unchanged: int
    accepted: int


class PreparedOut(Schema):
    """A place that waits for a device, and what became of it."""

    id: int
    kind: DeviceKind
    code: str
    place: str
    state: PreparedState
    detail: str
    author: str
    created: datetime
    done_at: datetime | None


class OutputIn(Body):
    """What was read of one output at the exchange: registers [pulses], dials in the unit."""

    point: Code
    register_at_removal: Annotated[StrictInt, Field(ge=0, le=REGISTER_MAX)] | None = None
    dial_at_removal: Shown | None = None
    register_at_mount: Annotated[StrictInt, Field(ge=0, le=REGISTER_MAX)] | None = None
    dial_at_mount: Shown | None = None


class ExchangeIn(Body):
    """Another meter in the place of one, now or back-dated.

    Without `pulse_weight` [Wh, varh or l] it is registered already, or weighs as the old one.
    """

    new: Name
    at: Time
    pulse_weight: Weight | None = None
    outputs: Annotated[list[OutputIn], Field(max_length=9)] = []


class ExchangedOut(Schema):
    """At how many metering points the meter was exchanged."""

    points: int


@operations.get("/found", Scope.WRITE_REGISTRY, list[FoundOut])
def list_found(request: ApiRequest, asked: Query[FoundAsked]) -> list[FoundOut]:
    """List modules that announced themselves in reach, the last heard first."""
    return [_found(one) for one in found_devices.listed(request.auth.person, asked.state)]


@operations.post("/found/{serial}/refuse", Scope.WRITE_REGISTRY, FoundOut, status=200)
def refuse_found(request: ApiRequest, serial: Serial, body: Why) -> FoundOut:
    """Let a found module wait no more."""
    found_devices.refuse(request.auth.person, serial, body.reason, site_clock().now())
    return _one_found(request, serial)


@operations.post("/found/{serial}/take-back", Scope.WRITE_REGISTRY, FoundOut, status=200)
def take_back_found(request: ApiRequest, serial: Serial) -> FoundOut:
    """Let a refused module wait again."""
    found_devices.take_back(request.auth.person, serial, site_clock().now())
    return _one_found(request, serial)


@operations.post("/mountings", Scope.WRITE_REGISTRY, MountedOut, status=200)
def mount_module(request: ApiRequest, body: MountIn) -> MountedOut:
    """Mount a module at a place with its meters, which also accepts one that was found.

    Repeating it changes nothing.
    """
    order = MountOrder(
        serial=body.serial,
        place=body.place,
        has_adapter=body.has_adapter,
        inputs=tuple(_input(one) for one in body.inputs),
    )
    return _mounted(mounting.mount(request.auth.person, order, site_clock().now()))


@operations.get("/prepared", Scope.WRITE_REGISTRY, list[PreparedOut])
def list_prepared(request: ApiRequest) -> list[PreparedOut]:
    """List the places that wait for a device in reach, faulty ones first."""
    return [_prepared(one) for one in prepared.listed(request.auth.person)]


@operations.post("/prepared", Scope.WRITE_REGISTRY, PreparedCount)
def prepare_devices(request: ApiRequest, body: PreparedIn) -> PreparedCount:
    """Let places wait for devices, for all of the list or for none.

    A device of the list that announces itself is accepted without a question.
    """
    parsed = parse_prepared(body.list)
    if parsed.findings:
        raise FieldsError([(one.where, one.what) for one in parsed.findings])
    done = prepared.prepare(request.auth.person, parsed.devices, site_clock().now())
    if done.findings:
        raise FieldsError([(one.where, one.what) for one in done.findings])
    return PreparedCount(prepared=done.prepared, unchanged=done.unchanged, accepted=done.accepted)


@operations.post("/prepared/{number}/withdraw", Scope.WRITE_REGISTRY, list[PreparedOut], status=200)
def withdraw_prepared(request: ApiRequest, number: Number) -> list[PreparedOut]:
    """Let a place wait no more; return what is prepared now."""
    if not prepared.withdraw(request.auth.person, number, site_clock().now()):
        raise NotVisibleError(f"prepared device {number}: none waits")
    return list_prepared(request)


@operations.post("/points/{code}/exchange", Scope.WRITE_REGISTRY, ExchangedOut)
def exchange_at_point(request: ApiRequest, code: PointCode, body: ExchangeIn) -> ExchangedOut:
    """Exchange the meter of a metering point, now or back-dated, at all points it serves.

    What follows from readings follows the exchange at once.
    """
    person = request.auth.person
    point = access.point_for(person, code, Right.REGISTRY)
    at = moment("at", body.at, lookups.node(point.node_id).timezone)
    old = next((one for one in mountings_at(point) if _spans(one, at)), None)
    if old is None:
        raise FieldsError([("at", "no meter was mounted then")])
    weight = None if body.pulse_weight is None else parse_weight(body.pulse_weight, point.resource)
    exchange = Exchange(
        old=old.meter,
        new=NewMeter(serial=body.new, pulse_weight=weight),
        at=at,
        outputs=tuple(_output(one) for one in body.outputs),
    )
    return ExchangedOut(points=exchange_meter(person, exchange, site_clock().now()))


def _spans(one: Mounting, at: datetime) -> bool:
    return one.valid_from < at and (one.valid_to is None or at < one.valid_to)


def _input(one: InputIn) -> InputOrder:
    weight = None if one.pulse_weight is None else parse_weight(one.pulse_weight, one.resource)
    return InputOrder(
        number=one.number,
        resource=one.resource,
        meter=one.meter,
        pulse_weight=weight,
        transformer_ratio=parse_ratio(one.transformer_ratio),
        dial=one.dial,
        phase=one.phase,
        role=one.role,
        point=one.point,
        point_name=one.point_name,
    )


def _output(one: OutputIn) -> OutputExchange:
    return OutputExchange(
        point=one.point,
        register_at_removal=one.register_at_removal,
        dial_at_removal=_base(one.dial_at_removal),
        register_at_mount=one.register_at_mount,
        dial_at_mount=_base(one.dial_at_mount),
    )


def _base(dial: Decimal | None) -> Decimal | None:
    return None if dial is None else dial * PER_UNIT


def _one_found(request: ApiRequest, serial: int) -> FoundOut:
    device = found_devices.found_module(request.auth.person, serial)
    if device is None:
        raise NotFoundError(f"module {serial} is not among the found ones")
    return _found(device)


def _found(one: FoundDevice) -> FoundOut:
    return FoundOut(
        kind=one.kind,
        code=one.code,
        state=one.state,
        hub=one.hub,
        site=one.site,
        inputs=one.inputs,
        has_adapter=one.has_adapter,
        model=one.model,
        software=one.software,
        first_seen=one.first_seen,
        last_seen=one.last_seen,
        n=one.n,
        decided_at=one.decided_at,
        decided_by=one.decided_by or None,
        reason=one.reason,
    )


def _mounted(done: Mounted) -> MountedOut:
    return MountedOut(
        serial=done.serial,
        place=done.place,
        new_module=done.new_module,
        changed=done.changed,
        inputs=[
            MountedInputOut(
                number=one.number,
                resource=one.resource,
                meter=one.meter,
                point=one.point,
                changed=one.changed,
            )
            for one in done.inputs
        ],
    )


def _prepared(one: PreparedInfo) -> PreparedOut:
    return PreparedOut(
        id=one.id,
        kind=one.kind,
        code=one.code,
        place=one.place,
        state=one.state,
        detail=one.detail,
        author=one.author,
        created=one.created,
        done_at=one.done_at,
    )
