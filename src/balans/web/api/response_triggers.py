"""Triggers of demand response: what watches which place, what it saw, and what it may do alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final

from ninja import Field, Path, Query, Schema
from pydantic import StrictBool

from balans.domain.response.triggers import Cause, Mode
from balans.domain.transformer import Loading
from balans.storage import response_triggers
from balans.storage.api_keys import Scope
from balans.storage.response_records import ResponseRefusedError
from balans.storage.response_trigger_shown import last_sight, sights_of
from balans.storage.response_trigger_sight import Did, Sight
from balans.storage.response_triggers import TriggerInfo, TriggerOrder
from balans.usecases.trigger_rules import DAY_S, read_settings
from balans.web.api.askers import ApiRequest
from balans.web.api.operations import Operations
from balans.web.api.problems import FieldsError
from balans.web.api.values import CODE, TEXT, Body
from balans.web.clock import site_clock

operations = Operations("Triggers of demand response")
TriggerCode = Annotated[str, Path(..., pattern=CODE, description="Code of the trigger.")]
KW_MOST: Final = 1e7
CLOCK: Final = r"^([01]\d|2[0-3]):[0-5]\d$"
WINDOWS_MAX: Final = 24
FIELDS: Final = {"code": "code", "taken": "code", "outside": "node", "cap_kw": "cap_kw"}
"""Which field a refusal is about, where it is about one."""
Kw = Annotated[float, Field(ge=0.001, le=KW_MOST, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0.1, le=3, allow_inf_nan=False)]
Price = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
Weekday = Annotated[int, Field(ge=0, le=6, strict=True)]
WORKDAYS: Final = (0, 1, 2, 3, 4)
ClockTime = Annotated[str, Field(pattern=CLOCK, examples=["17:00"])]


class Overload(Body):
    """The place must not draw more than `limit_kw`.

    An event begins above `begin_share` of it, once that has lasted `held_for_s`, or where the
    forecast exceeds it within `lead_s`; it ends below `end_share`.
    """

    limit_kw: Kw
    begin_share: Share = 1.0
    end_share: Share = 0.9
    held_for_s: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = 120
    lead_s: Annotated[float, Field(ge=0, le=DAY_S, allow_inf_nan=False)] = 1800


class Transformer(Body):
    """The transformer whose hot spot is followed as well (IEC 60076-7)."""

    kva: Annotated[float, Field(ge=0.1, le=1e6, allow_inf_nan=False)]
    power_factor: Annotated[float, Field(ge=0.1, le=1, allow_inf_nan=False)] = 0.95
    ambient_c: Annotated[float, Field(ge=-50, le=60, allow_inf_nan=False)] = 20
    loading: Loading = Loading.NORMAL_CYCLIC


class Peak(Body):
    """Hours of the peak tariff, local to the place; weekdays are 0 (Monday) to 6."""

    windows: Annotated[
        list[Annotated[list[ClockTime], Field(min_length=2, max_length=2)]],
        Field(min_length=1, max_length=WINDOWS_MAX),
    ]
    weekdays: Annotated[list[Weekday], Field(max_length=7)] = list(WORKDAYS)
    limit_kw: Kw


class PeakOut(Schema):
    """Hours of the peak tariff, as they are kept."""

    windows: list[list[str]]
    weekdays: list[int] = list(WORKDAYS)
    limit_kw: float


class PriceMark(Body):
    """The place is held to `limit_kw` from the price `begin` on, until it is below `end`."""

    begin: Price
    end: Price
    limit_kw: Kw


class RuleIn(Body):
    """What a trigger looks for, and what it may do; at least one of overload, peak and price."""

    title: Annotated[str, Field(max_length=200, pattern=TEXT)] = ""
    overload: Overload | None = None
    transformer: Transformer | None = None
    peak: Peak | None = None
    price: PriceMark | None = None
    least_s: Annotated[float, Field(ge=60, le=DAY_S, allow_inf_nan=False)] = 900
    most_s: Annotated[float, Field(ge=60, le=DAY_S, allow_inf_nan=False)] = 14_400
    per_day: Annotated[int, Field(ge=1, le=96, strict=True)] = 3
    pause_s: Annotated[float, Field(ge=0, le=DAY_S, allow_inf_nan=False)] = 1800
    mode: Mode = Mode.PROPOSE
    cap_kw: Annotated[float, Field(ge=0, le=KW_MOST, allow_inf_nan=False)] = 0


class TriggerIn(RuleIn):
    """A trigger to write down. Without a node it watches the place of its programme.

    It is off unless `enabled` says otherwise.
    """

    code: Annotated[str, Field(pattern=CODE)]
    programme: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,32}$")]
    node: Annotated[str | None, Field(pattern=CODE)] = None
    enabled: StrictBool = False


class TriggerState(StrEnum):
    """Whether a trigger watches; what has ended never does again."""

    ON = "on"
    OFF = "off"
    ENDED = "ended"


class StateIn(Body):
    """What a trigger shall become."""

    state: TriggerState


class LookOut(Schema):
    """What a look saw, wished and came to. `why` are codes that stay the same."""

    at: datetime
    did: Did
    why: list[str]
    call: str | None
    power_kw: float | None
    held_kw: float
    price: float | None
    hot_spot_c: float | None
    causes: list[Cause]
    limit_kw: float | None
    expected_kw: float | None


class TriggerOut(Schema):
    """A trigger. `call` is the event that it has called and that is not over, or that it proposes.

    Settings that were left out have their usual values here.
    """

    code: str
    title: str
    kind: str
    programme: str
    node: str
    state: TriggerState
    mode: Mode
    cap_kw: float
    overload: Overload | None
    transformer: Transformer | None
    peak: PeakOut | None
    price: PriceMark | None
    least_s: float
    most_s: float
    per_day: int
    pause_s: float
    author: str
    created: datetime
    ended_at: datetime | None
    call: str | None
    last_look: LookOut | None


class TriggerDetailOut(TriggerOut):
    """A trigger with the looks at which something happened, the newest first."""

    log: list[LookOut]


class TriggersAsked(Schema):
    """Which triggers; without a state all of them."""

    state: TriggerState | None = None


@operations.get("/triggers", Scope.READ_EVENTS, list[TriggerOut])
def list_triggers(request: ApiRequest, asked: Query[TriggersAsked]) -> list[TriggerOut]:
    """List the triggers, by code; those that have ended come last."""
    found = [_out(one) for one in response_triggers.triggers_of(request.auth.person)]
    return [one for one in found if asked.state in {None, one.state}]


@operations.get("/triggers/{code}", Scope.READ_EVENTS, TriggerDetailOut)
def get_trigger(request: ApiRequest, code: TriggerCode) -> TriggerDetailOut:
    """Tell what a trigger looks for, what it saw, and when something happened."""
    found = response_triggers.trigger_for(request.auth.person, code)
    return TriggerDetailOut(**dict(_out(found)), log=[_look(one) for one in sights_of(found)])


@operations.post("/triggers", Scope.WRITE_RESPONSE, TriggerOut)
def create_trigger(request: ApiRequest, body: TriggerIn) -> TriggerOut:
    """Write a trigger down for a programme and a place in it."""
    order = _order(body, body.programme, body.node or "", enabled=body.enabled)
    with _blamed():
        return _out(
            response_triggers.create_trigger(
                request.auth.person, body.code, order, site_clock().now()
            )
        )


@operations.post("/triggers/{code}", Scope.WRITE_RESPONSE, TriggerOut, status=200)
def change_trigger(request: ApiRequest, code: TriggerCode, body: RuleIn) -> TriggerOut:
    """Set anew what a trigger looks for and may do; what is left out becomes the usual."""
    response_triggers.trigger_for(request.auth.person, code)
    with _blamed():
        return _out(response_triggers.edit_trigger(request.auth.person, code, _order(body)))


@operations.post("/triggers/{code}/state", Scope.WRITE_RESPONSE, TriggerOut, status=200)
def set_trigger_state(request: ApiRequest, code: TriggerCode, body: StateIn) -> TriggerOut:
    """Switch a trigger on or off, or end it for good; its event goes on to its end."""
    person, now = request.auth.person, site_clock().now()
    if body.state is TriggerState.ENDED:
        return _out(response_triggers.end_trigger(person, code, now))
    is_on = body.state is TriggerState.ON
    return _out(response_triggers.set_trigger_enabled(person, code, now, enabled=is_on))


@contextmanager
def _blamed() -> Iterator[None]:
    try:
        yield
    except ResponseRefusedError as error:
        field = FIELDS.get(error.code, "")
        if error.code == "settings":
            field = str(error).partition(":")[0]
        if field:
            raise FieldsError([(field, str(error))]) from error
        raise


def _order(
    body: RuleIn, programme: str = "", node: str = "", *, enabled: bool = False
) -> TriggerOrder:
    parts: dict[str, Any] = {
        name: part.model_dump(mode="json")
        for name in ("overload", "transformer", "peak", "price")
        if (part := getattr(body, name)) is not None
    }
    numbers = {name: getattr(body, name) for name in ("least_s", "most_s", "per_day", "pause_s")}
    if not parts.keys() - {"transformer"}:
        raise FieldsError([("overload", "expected at least one of overload, peak and price")])
    if "overload" in parts and not body.overload.end_share < body.overload.begin_share:  # type: ignore[union-attr]  # it is there
        raise FieldsError([("overload.end_share", "expected less than begin_share")])
    return TriggerOrder(
        programme=programme,
        node=node,
        title=body.title,
        settings=parts | numbers,
        mode=body.mode,
        cap_kw=Decimal(str(round(body.cap_kw, 3))),
        enabled=enabled,
    )


def _out(one: TriggerInfo) -> TriggerOut:
    settings = read_settings(one.settings)
    stored = {name: one.settings.get(name) for name in ("overload", "transformer", "peak", "price")}
    sight = last_sight(one)
    state = TriggerState.ON if one.enabled else TriggerState.OFF
    return TriggerOut(
        code=one.code,
        title=one.title,
        kind=one.kind,
        programme=one.programme_code,
        node=one.node_code,
        state=TriggerState.ENDED if one.ended_at else state,
        mode=one.mode,
        cap_kw=float(one.cap_kw),
        overload=stored["overload"],
        transformer=stored["transformer"],
        peak=stored["peak"],
        price=stored["price"],
        least_s=settings.rule.least_s,
        most_s=settings.rule.most_s,
        per_day=settings.per_day,
        pause_s=settings.pause_s,
        author=one.author,
        created=one.created,
        ended_at=one.ended_at,
        call=one.event_code or None,
        last_look=None if sight is None else _look(sight),
    )


def _look(one: Sight) -> LookOut:
    return LookOut(
        at=datetime.fromtimestamp(one.at_s, UTC),
        did=Did(one.did),
        why=list(one.why),
        call=one.event or None,
        power_kw=_kw(one.power_w),
        held_kw=one.held_w / 1000,
        price=one.price,
        hot_spot_c=one.hot_c,
        causes=[Cause(cause) for cause in one.causes],
        limit_kw=_kw(one.limit_w),
        expected_kw=_kw(one.expected_w),
    )


def _kw(power_w: float | None) -> float | None:
    return None if power_w is None else power_w / 1000
