"""A call for reduction: one signed broadcast to the gateways of a group, and what they report."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from balans.core.words import CallState, StepKind
from balans.protocols.fields import Name, NodeName, Sequence, Tenant, Text, Unix, Watt

CALL_BYTES: Final = 65_536
"""A call is no longer; a group with more targets is called in parts."""
LIFE_S: Final = 14 * 86_400.0
"""A call does not hold for longer than this after it was issued."""
STEPS_MAX: Final = 96
SpreadSeconds = Annotated[float, Meta(ge=0, le=7200)]
Part = Annotated[int, Meta(ge=0, le=9_999)]


class CallStep(msgspec.Struct, frozen=True, array_like=True):
    """What is asked in [start, end): W for ``limit`` and ``reduce``, a level for ``eco``."""

    start: Unix
    end: Unix
    kind: StepKind
    value: Annotated[float, Meta(ge=0, le=1e9)]

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise ValueError(f"step [{self.start:g}, {self.end:g}) has no length")
        if self.kind is StepKind.ECO and self.value not in {1, 2, 3}:
            raise ValueError(f"eco level {self.value:g}: expected 1, 2 or 3")
        if self.kind is StepKind.REDUCE and not self.value:
            raise ValueError("reduce by 0 W asks nothing")


class CallTarget(msgspec.Struct, frozen=True, array_like=True):
    """A place that is called on: a node of a site's own tree, "" the site itself."""

    site: Name
    node: NodeName
    steps: Annotated[tuple[CallStep, ...], Meta(min_length=1, max_length=STEPS_MAX)]

    def __post_init__(self) -> None:
        at_s = 0.0
        for step in self.steps:
            if step.start < at_s:
                raise ValueError(f"step at {step.start:g} begins before the one before it ends")
            at_s = step.end

    @property
    def name(self) -> str:
        """What the spread of the place is worked out from."""
        return f"{self.site}/{self.node}"


class Call(msgspec.Struct, frozen=True, tag="call"):
    """Head-end -> group, signed, retained while the event lasts: what is asked of whom.

    `epoch` grows with every change; of the numbers of one event the largest counts. `part` is one
    of `parts`: one with a larger `epoch` and fewer `parts` ends those it does not name. Starts are
    put off by up to `start_spread_s` and releases by up to `release_spread_s`, by `seed`. Nothing
    of it holds after `expires`. `cancelled`: it holds no more; targets may be left out.
    """

    tenant: Tenant
    group: Name
    event: Name
    epoch: Sequence
    issued: Unix
    expires: Unix
    priority: Annotated[int, Meta(ge=0, le=9)] = 5
    reason: Text = ""
    seed: Sequence = 0
    start_spread_s: SpreadSeconds = 0.0
    release_spread_s: SpreadSeconds = 0.0
    cancelled: bool = False
    targets: Annotated[tuple[CallTarget, ...], Meta(max_length=2_000)] = ()
    part: Part = 0
    parts: Annotated[int, Meta(ge=1, le=10_000)] = 1

    def __post_init__(self) -> None:
        if not self.issued < self.expires <= self.issued + LIFE_S:
            raise ValueError(f"expires {self.expires:g} is not within 14 days after issued")
        if self.part >= self.parts:
            raise ValueError(f"part {self.part} of {self.parts}")
        places = {(target.site, target.node) for target in self.targets}
        if len(places) < len(self.targets):
            raise ValueError("a place is called on twice")
        if any(target.steps[-1].end > self.expires for target in self.targets):
            raise ValueError("a step ends after the call expires")


class CallReport(msgspec.Struct, frozen=True):
    """Kind `CALL` of the journal: a place that is called on has entered `state` at `time`.

    `before_w` is what it drew in the 15 minutes before the step, `now_w` what it draws, and
    `expected_w` what was to be held back. `held` and `failed` are bitmaps over `loads`: held back
    for this call, and not obeying; the lowest bit of the first byte is the first load.
    """

    event: Name
    epoch: Sequence
    site: Name
    node: NodeName
    state: CallState
    time: Unix
    detail: Text = ""
    before_w: Watt | None = None
    now_w: Watt | None = None
    expected_w: Watt | None = None
    loads: Annotated[tuple[Name, ...], Meta(max_length=2_000)] = ()
    held: bytes = b""
    failed: bytes = b""

    def __post_init__(self) -> None:
        size = (len(self.loads) + 7) // 8
        if len(self.held) != size or len(self.failed) != size:
            raise ValueError(f"a bitmap over {len(self.loads)} loads has {size} bytes")

    @property
    def held_loads(self) -> tuple[str, ...]:
        """The loads that are held back."""
        return names_of(self.loads, self.held)

    @property
    def failed_loads(self) -> tuple[str, ...]:
        """The loads that do not obey."""
        return names_of(self.loads, self.failed)


def bitmap(names: tuple[str, ...], chosen: set[str]) -> bytes:
    """Return the bitmap of `chosen` over `names`, the lowest bit of the first byte first.

    >>> list(bitmap(("a", "b", "c"), {"a", "c"}))
    [5]
    """
    bits = sum(1 << place for place, name in enumerate(names) if name in chosen)
    return bits.to_bytes((len(names) + 7) // 8, "little")


def names_of(names: tuple[str, ...], bits: bytes) -> tuple[str, ...]:
    """Return which of `names` a bitmap over them chooses.

    >>> names_of(("a", "b", "c"), bytes([5]))
    ('a', 'c')
    """
    number = int.from_bytes(bits, "little")
    return tuple(name for place, name in enumerate(names) if number >> place & 1)
