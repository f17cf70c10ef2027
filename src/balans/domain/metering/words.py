"""Words of validity: how good a value is, and how what people say of it is spelt."""

from enum import StrEnum


class Quality(StrEnum):
    """How good a value is; of several that apply, the last one here is told."""

    MEASURED = "measured"
    ESTIMATED = "estimated"
    SUSPECT = "suspect"  # the module doubted its line, or the register went back
    INCORRECT = "incorrect"  # the operator says the point is wrong for now: unknown
    PARTIAL = "partial"  # a meter was there for a part of the time only
    MISSING = "missing"  # a reading is not there (yet)
    UNMETERED = "unmetered"  # no meter was mounted


class EventKind(StrEnum):
    """What a module can report about an input, beside its register."""

    LINE_BREAK = "line_break"
    SHORT_CIRCUIT = "short_circuit"
    MAGNETIC_FIELD = "magnetic_field"
    CONTACT_BOUNCE = "contact_bounce"
    LOW_BATTERY = "low_battery"
    CLOCK_STEP = "clock_step"
    REVERSE_RUN = "reverse_run"


class EditKind(StrEnum):
    """What an edit of a register at an hour means."""

    CORRECT = "correct"  # the register was this one
    ESTIMATE = "estimate"  # … as far as can be told
    STRIKE = "strike"  # the register that came is wrong: missing
    WITHDRAW = "withdraw"  # earlier edits of the hour count no more


class ManualSource(StrEnum):
    """Who read a dial."""

    CONSUMER = "consumer"
    OPERATOR = "operator"
    WALK_BY = "walk_by"


class ManualState(StrEnum):
    """What became of a dial that was read."""

    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    REFUSED = "refused"
