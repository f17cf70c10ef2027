"""What the storage hands out about demand response: frozen values, no rows.

Powers are in W where the name ends in ``_w``, in kW where it ends in ``_kw``; consumption is
positive, and what is held back is too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from balans.core.errors import BalansError
from balans.core.words import CallState, LoadClass, StepKind
from balans.domain.response.life import EventState, TargetState


class ResponseRefusedError(BalansError):
    """What was wanted may not or cannot be done; ``code`` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ProgrammeState(StrEnum):
    """A programme can be joined and called while it is open."""

    DRAFT = "draft"
    OPEN = "open"
    CLOSED = "closed"


class ExemptionKind(StrEnum):
    """Why a place is never asked."""

    EXCLUDED = "excluded"
    VULNERABLE = "vulnerable"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgrammeTerms:
    """What a programme says; see `models.Programme` for the fields."""

    title: str
    load_classes: tuple[LoadClass, ...] = (LoadClass.GREEN, LoadClass.YELLOW)
    tariffs: tuple[str, ...] = ()
    benefits: tuple[str, ...] = ()
    incentive: str = ""
    consent_needed: bool = True
    priority: int = 5
    notice_s: int = 0
    max_event_s: int = 4 * 3600
    max_per_day: int = 1
    max_per_month: int = 10
    pause_s: int = 0
    opt_out_s: int = 0
    opt_out_within: bool = True
    second_person_kw: Decimal | None = None
    start_spread_s: int = 0
    release_spread_s: int = 600
    fallback_w: float | None = None
    fallback_after_s: int = 120
    fallback_hold_s: int = 300


@dataclass(frozen=True, slots=True)
class ProgrammeInfo:
    """A programme of the subtree of a node."""

    id: int
    tenant_id: int
    code: str
    node_id: int
    node_code: str
    node_name: str
    node_path: str
    state: ProgrammeState
    terms: ProgrammeTerms
    author: str
    created: datetime


@dataclass(frozen=True, slots=True)
class EnrolmentInfo:
    """A place that takes part, or took part until `left_at`."""

    node_id: int
    node_code: str
    node_name: str
    joined_at: datetime
    joined_by: str
    left_at: datetime | None
    left_by: str


@dataclass(frozen=True, slots=True)
class ExemptionInfo:
    """A place that is never asked, nor anything below it."""

    id: int
    node_id: int
    node_code: str
    node_name: str
    kind: ExemptionKind
    reason: str
    author: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ChangeInfo:
    """What was done with an event."""

    at: datetime
    author: str
    what: str
    reason: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StepInfo:
    """What is asked in [start, end): W for ``limit`` and ``reduce``, a level for ``eco``."""

    start: datetime
    end: datetime
    value: float


@dataclass(frozen=True, slots=True)
class EventInfo:
    """An event. `expected_kw` with `expected_sd_kw` is what it is expected to hold back.

    `preview` and `result` hold JSON types: see `response_preview` and `response_settling`.
    """

    id: int
    tenant_id: int
    code: str
    programme_code: str
    programme_title: str
    node_id: int
    node_code: str
    node_name: str
    kind: StepKind
    state: EventState
    emergency: bool
    priority: int
    steps: tuple[StepInfo, ...]
    starts: datetime
    ends: datetime
    expires: datetime | None
    reason: str
    author: str
    user_id: int | None
    trigger_code: str
    approver: str
    created: datetime
    announced_at: datetime | None
    active_at: datetime | None
    ended_at: datetime | None
    settled_at: datetime | None
    wanted_kw: Decimal | None
    expected_kw: float | None
    expected_sd_kw: float | None
    needs_approval: bool
    preview: Mapping[str, Any] | None
    result: Mapping[str, Any] | None
    seed: int
    start_spread_s: int
    release_spread_s: int
    epoch: int


@dataclass(frozen=True, slots=True)
class TargetInfo:
    """A place that an event asks, and what is known of it. Powers [W]."""

    node_code: str
    node_name: str
    site_code: str
    hub_code: str
    steps: tuple[StepInfo, ...]
    expected_w: float
    sd_w: float
    state: TargetState
    sent_at: datetime | None
    heard_at: datetime | None
    active_at: datetime | None
    done_at: datetime | None
    released_at: datetime | None
    failed_at: datetime | None
    before_w: float | None
    now_w: float | None
    achieved_w: float | None
    measured: bool
    detail: str
    held_loads: tuple[str, ...]
    failed_loads: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReportInfo:
    """What a gateway told of a place that an event asks."""

    node_code: str
    state: CallState
    at: datetime
    received: datetime
    epoch: int
    detail: str
    before_w: float | None
    now_w: float | None
    expected_w: float | None
