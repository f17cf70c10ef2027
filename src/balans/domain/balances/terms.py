"""Of which sums of which groups a balance consists.

Every group keeps sums of its own points by side. A balance adds such sums:

    metered group, down to the next meters      inflow + production here, in unmetered groups below
                                                against consumers here and there, and the inflow of
                                                the next metered groups
    metered group, down to the consumers        inflow + production of all below, against all
                                                consumers below
    group without inflow points (a street)      the sum over the nearest metered groups below
    group by hand                               its points, and what flows into its child groups
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from balans.core.errors import InputError
from balans.domain.balances.words import Reach, Side


@dataclass(frozen=True, slots=True)
class Child:
    """A group that takes part in a group by hand."""

    group_id: int
    side: Side


@dataclass(frozen=True, slots=True)
class Group:
    """A balance group as far as arithmetic goes. `children` are those of a group by hand."""

    id: int
    parent_id: int | None = None
    metered: bool = False
    by_hand: bool = False
    children: tuple[Child, ...] = ()


@dataclass(frozen=True, slots=True)
class Term:
    """A sum that takes part: the points of a side of a group, added or taken away."""

    group_id: int
    side: Side
    sign: int = 1


@dataclass(frozen=True, slots=True)
class Terms:
    """What a balance is made of.

    Parameters
    ----------
    segments
        Groups between whose meters the balance lies: their technical losses are its losses.
    uncovered
        Consumption and production before any inflow meter; no balance can contain it.
    """

    inflow: tuple[Term, ...] = ()
    outflow: tuple[Term, ...] = ()
    segments: tuple[int, ...] = ()
    uncovered: tuple[Term, ...] = ()

    @property
    def group_ids(self) -> list[int]:
        """All groups whose sums are needed."""
        terms = (*self.inflow, *self.outflow, *self.uncovered)
        return sorted({term.group_id for term in terms})


@dataclass(frozen=True, slots=True)
class Forest:
    """All groups of a tenant and resource."""

    groups: Mapping[int, Group]
    below: dict[int, list[Group]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "below", {})
        for group in self.groups.values():
            if group.parent_id is not None and not group.by_hand:
                self.below.setdefault(group.parent_id, []).append(group)

    def terms(self, group_id: int, reach: Reach = Reach.METERS) -> Terms:
        """Return what the balance of a group is made of.

        Raises
        ------
        InputError
            If groups by hand contain each other in a circle.
        """
        self._refuse_circles(self.groups[group_id], ())
        return self._terms(self.groups[group_id], reach)

    def _refuse_circles(self, group: Group, inside: tuple[int, ...]) -> None:
        if group.id in inside:
            raise InputError(f"balance group {group.id}: it contains itself through other groups")
        for child in group.children:
            self._refuse_circles(self.groups[child.group_id], (*inside, group.id))

    def _terms(self, group: Group, reach: Reach) -> Terms:
        if group.by_hand:
            return self._by_hand(group, reach)
        if group.metered:
            return self._metered(group, reach)
        parts = [self._metered(one, reach) for one in self._entries(group)]
        zone = list(self._zone(group))
        joined = _joined(parts)
        if not parts:
            return Terms((), _sides(zone, Side.OUTFLOW), (), _sides(zone, Side.PRODUCTION))
        lost = _sides(zone, Side.OUTFLOW) + _sides(zone, Side.PRODUCTION)
        return Terms(joined.inflow, joined.outflow, joined.segments, lost)

    def _metered(self, group: Group, reach: Reach) -> Terms:
        inflow = (Term(group.id, Side.INFLOW),)
        if reach is Reach.CONSUMERS:
            every = list(self._subtree(group))
            segments = tuple(one.id for one in every if one.metered)
            produced, used = _sides(every, Side.PRODUCTION), _sides(every, Side.OUTFLOW)
            return Terms(inflow + produced, used, segments)
        zone = list(self._zone(group))
        next_meters = tuple(
            Term(one.id, Side.INFLOW)
            for held in zone
            for one in self.below.get(held.id, ())
            if one.metered
        )
        return Terms(
            inflow + _sides(zone, Side.PRODUCTION),
            _sides(zone, Side.OUTFLOW) + next_meters,
            (group.id,),
        )

    def _by_hand(self, group: Group, reach: Reach) -> Terms:
        inflow = _sides([group], Side.INFLOW) + _sides([group], Side.PRODUCTION)
        outflow = _sides([group], Side.OUTFLOW)
        segments: tuple[int, ...] = (group.id,)
        for child in group.children:
            member = self.groups[child.group_id]
            entry = self._entry(member)
            if child.side is not Side.OUTFLOW:
                inflow += entry
            elif reach is Reach.METERS:
                outflow += entry
            else:
                whole = self._terms(member, reach)
                outflow += whole.outflow
                inflow += tuple(term for term in whole.inflow if term not in entry)
                segments += whole.segments
        return Terms(inflow, outflow, segments)

    def _entry(self, group: Group) -> tuple[Term, ...]:
        """Return what tells how much flows into a group; without a meter, what is used in it."""
        if group.by_hand:
            nested = [child for child in group.children if child.side is Side.INFLOW]
            entry = _sides([group], Side.INFLOW)
            for child in nested:
                entry += self._entry(self.groups[child.group_id])
            return entry
        metered = [group] if group.metered else list(self._entries(group))
        if metered:
            return _sides(metered, Side.INFLOW)
        zone = list(self._zone(group))
        made = tuple(Term(one.id, Side.PRODUCTION, -1) for one in zone)
        return _sides(zone, Side.OUTFLOW) + made

    def _zone(self, group: Group) -> Iterator[Group]:
        """Yield a group and what lies below it before the next inflow meters."""
        yield group
        for one in self.below.get(group.id, ()):
            if not one.metered:
                yield from self._zone(one)

    def _entries(self, group: Group) -> Iterator[Group]:
        """Yield the nearest metered groups below."""
        for one in self.below.get(group.id, ()):
            if one.metered:
                yield one
            else:
                yield from self._entries(one)

    def _subtree(self, group: Group) -> Iterator[Group]:
        yield group
        for one in self.below.get(group.id, ()):
            yield from self._subtree(one)


def _sides(groups: Iterable[Group], side: Side) -> tuple[Term, ...]:
    return tuple(Term(group.id, side) for group in groups)


def _joined(parts: Sequence[Terms]) -> Terms:
    return Terms(
        tuple(term for part in parts for term in part.inflow),
        tuple(term for part in parts for term in part.outflow),
        tuple(segment for part in parts for segment in part.segments),
    )
