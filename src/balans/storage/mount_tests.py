"""The test reading of a new module: that it counts, and from which register on.

Whoever may mount a meter may have it read. A register that comes within minutes of the mounting
becomes the register at mounting: from then on the dial of any time can be told.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from balans.protocols.hub import ReadState
from balans.storage import access, read_requests
from balans.storage.access import Right
from balans.storage.balance_dirty import mark_points
from balans.storage.commands import Author
from balans.storage.mounting import open_mountings
from balans.storage.read_requests import ReadRefusedError, ReadRequest
from balans.storage.remounting import HangingMeter, module_for

FRESH: Final = timedelta(minutes=3)
"""A test that ended so long ago is not made again by the same question."""

AT_MOUNTING: Final = timedelta(minutes=10)
REASON: Final = "test after mounting"


@dataclass(frozen=True, slots=True)
class InputTest:
    """How the test of an input stands. `state` is "no_hub" while no hub has heard the module."""

    number: int
    meter: str
    state: str
    register: int | None = None
    detail: str = ""


def try_module(author: Author, serial: int, wall: datetime) -> list[InputTest]:
    """Ask the module `serial` for its registers, or tell how the asking stands.

    Call inside a scope of the tenant, again and again until every state is final; `wall` is the
    present time by the clock of the wall, which requests go by.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `module_for`.
    """
    return [_try(author, one, wall) for one in module_for(author, serial).meters]


def _try(author: Author, hanging: HangingMeter, wall: datetime) -> InputTest:
    number, meter, code = hanging.input, hanging.meter, hanging.point
    point = access.point_for(author, code, Right.REGISTRY)
    request = read_requests.latest(point)
    if request is None or _is_over(request, wall):
        try:
            request = read_requests.create(author, code, REASON, Right.REGISTRY)
        except ReadRefusedError as error:
            return InputTest(number, meter, error.code, detail=str(error))
    if request.state == ReadState.DONE and request.register is not None:
        _note_register(request)
    return InputTest(number, meter, request.state.value, request.register, request.detail)


def _is_over(request: ReadRequest, wall: datetime) -> bool:
    return request.done_at is not None and request.done_at < wall - FRESH


def _note_register(request: ReadRequest) -> None:
    """Keep the register as that at mounting, if the meter was mounted only just before."""
    if request.read_at is None:
        return
    rows = open_mountings(
        channel_id=request.channel_id,
        register_at_mount__isnull=True,
        valid_from__gte=request.read_at - AT_MOUNTING,
        valid_from__lte=request.read_at + AT_MOUNTING,
    )
    for row in rows:
        row.register_at_mount = request.register
        row.save(update_fields=["register_at_mount"])
        mark_points([row.point_id], row.valid_from - timedelta(hours=1))
