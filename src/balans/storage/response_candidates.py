"""Whom an event may ask: the places whose loads may be held back, and why others are not asked.

A place is the node that its loads belong to. A place with eligible places below it stands for
them; it is asked as a whole only if nothing below it must not be asked, since a limit at a node
reaches every load under it. Call inside a scope.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from django.db.models import Q

from balans.core.words import LoadClass, Resource
from balans.storage import lookups
from balans.storage.models import Contract, Enrolment, Exemption, Hub, Load, Node, OptOut
from balans.storage.records import LoadInfo, NodeInfo
from balans.storage.response_records import ProgrammeInfo

SWITCHABLE: Final = frozenset({LoadClass.GREEN, LoadClass.YELLOW})


class Refusal(StrEnum):
    """Why a place is not asked."""

    EXEMPT = "exempt"
    NOT_JOINED = "not_joined"
    TARIFF = "tariff"
    BENEFIT = "benefit"
    OPTED_OUT = "opted_out"
    NOT_RELEASED = "not_released"
    NO_GATEWAY = "no_gateway"
    MIXED = "mixed"


NO_BENEFIT: Final = "none"
"""Word for contracts without any benefit in what a programme asks."""
UNTOUCHABLE: Final = frozenset(
    {
        Refusal.EXEMPT,
        Refusal.NOT_JOINED,
        Refusal.TARIFF,
        Refusal.BENEFIT,
        Refusal.OPTED_OUT,
    }
)
"""Refusals of a place that no limit above it may reach either. What an owner has not released is
left alone by his gateway itself."""


@dataclass(frozen=True, slots=True)
class Place:
    """A node of a site that can be asked, with the loads that serve it."""

    node_id: int
    node_code: str
    site_id: int
    site_code: str
    hub_id: int
    loads: tuple[LoadInfo, ...]

    @property
    def is_site(self) -> bool:
        """Whether it is the whole of its site."""
        return self.node_id == self.site_id


@dataclass(frozen=True, slots=True)
class Places:
    """Who can be asked, and how many places cannot, by reason."""

    found: tuple[Place, ...]
    refused: Mapping[Refusal, int]


@dataclass(frozen=True, slots=True)
class _Spot:
    """A node with loads of its own."""

    path: str
    loads: tuple[LoadInfo, ...]
    refusal: Refusal | None

    @property
    def site_id(self) -> int:
        """Site of its loads."""
        return self.loads[0].site_id


def find_places(
    programme: ProgrammeInfo, node: NodeInfo, at: datetime, event_id: int | None = None
) -> Places:
    """Return the places of `programme` below `node` that an event beginning at `at` may ask.

    With `event_id` those that have left that event are refused.
    """
    rows = Load.objects.filter(tenant_id=node.tenant_id, node__path__under=node.path)
    loads = [one for one in lookups.loads(rows) if one.load_class in SWITCHABLE and one.actuator]
    paths = dict(Node.objects.filter(path__under=node.path).values_list("id", "path"))
    rules = _Rules.of(programme, node, at, event_id)
    of_node: dict[int, list[LoadInfo]] = defaultdict(list)
    for load in loads:
        of_node[load.node_id].append(load)
    spots = {
        node_id: _Spot(paths[node_id], tuple(own), rules.refusal(paths[node_id], own))
        for node_id, own in of_node.items()
    }
    refused = Counter(spot.refusal for spot in spots.values() if spot.refusal is not None)
    found = []
    for node_id, members, mixed in _outermost(spots):
        usable = [one for member in members for one in rules.usable(spots[member].loads)]
        refusal = Refusal.MIXED if mixed else rules.gateway_refusal(usable)
        if refusal is not None:
            refused[refusal] += 1
        else:
            found.append(rules.place(node_id, usable))
    return Places(tuple(sorted(found, key=lambda place: place.node_code)), dict(refused))


def _outermost(spots: Mapping[int, _Spot]) -> Iterable[tuple[int, list[int], bool]]:
    """Yield each eligible node that stands for itself and those below it.

    With every node come the nodes it stands for, and whether something below it must not be asked;
    then it yields itself alone, and the eligible nodes below stand for themselves.
    """
    ordered = sorted(spots, key=lambda node_id: len(spots[node_id].path.split(".")))
    below: dict[int, list[int]] = {node_id: [] for node_id in spots}
    by_path = {spot.path: node_id for node_id, spot in spots.items()}
    for node_id, spot in spots.items():
        for above in _above(spot.path):
            upper = by_path.get(above)
            if upper is not None and spots[upper].site_id == spot.site_id:
                below[upper].append(node_id)
    covered: set[int] = set()
    for node_id in ordered:
        if node_id in covered or spots[node_id].refusal is not None:
            continue
        mixed = any(spots[under].refusal in UNTOUCHABLE for under in below[node_id])
        if mixed:
            yield node_id, [node_id], True
            continue
        covered.update(below[node_id])
        yield node_id, [node_id, *below[node_id]], False


def _above(path: str) -> Iterable[str]:
    while "." in path:
        path = path.rpartition(".")[0]
        yield path


@dataclass(frozen=True, slots=True)
class _Rules:
    """What decides about a place."""

    programme: ProgrammeInfo
    at: datetime
    exempt: Collection[str]
    joined: Collection[str]
    left: Collection[str]
    terms: Mapping[str, tuple[str, str]]
    gateways: Mapping[int, tuple[int, str]]
    codes: Mapping[int, str]

    @classmethod
    def of(
        cls, programme: ProgrammeInfo, node: NodeInfo, at: datetime, event_id: int | None
    ) -> "_Rules":
        around = Q(node__path__under=node.path) | Q(node__path__above=node.path)
        exempt = Exemption.objects.filter(around, ended_at__isnull=True)
        joined = Enrolment.objects.filter(around, programme_id=programme.id, left_at__isnull=True)
        left = OptOut.objects.filter(around, event_id=event_id or 0)
        contracts = Contract.objects.filter(
            around,
            Q(valid_to__isnull=True) | Q(valid_to__gt=at),
            valid_from__lte=at,
            resource=Resource.ELECTRICITY.value,
        )
        hubs = Hub.objects.filter(controls=True, tenant_id=node.tenant_id)
        return cls(
            programme,
            at,
            frozenset(exempt.values_list("node__path", flat=True)),
            frozenset(joined.values_list("node__path", flat=True)),
            frozenset(left.values_list("node__path", flat=True)),
            {
                path: (tariff, benefit or NO_BENEFIT)
                for path, tariff, benefit in contracts.values_list(
                    "node__path", "tariff", "benefit"
                )
            },
            {
                site: (pk, code)
                for site, pk, code in hubs.values_list("site_id", "id", "site__code")
            },
            dict(Node.objects.filter(path__under=node.path).values_list("id", "code")),
        )

    def refusal(self, path: str, loads: Sequence[LoadInfo]) -> Refusal | None:
        """Return why the node at `path` with its `loads` is not asked, None if it is."""
        around, asked = (path, *_above(path)), self.programme.terms
        checks = (
            (any(one in self.exempt for one in around) or self._holds_exempt(path), Refusal.EXEMPT),
            (
                asked.consent_needed and not any(one in self.joined for one in around),
                Refusal.NOT_JOINED,
            ),
            (self._is_other(around, 0, asked.tariffs), Refusal.TARIFF),
            (self._is_other(around, 1, asked.benefits), Refusal.BENEFIT),
            (any(one in self.left for one in around), Refusal.OPTED_OUT),
            (not self.usable(loads), Refusal.NOT_RELEASED),
        )
        return next((refusal for refused, refusal in checks if refused), None)

    def usable(self, loads: Iterable[LoadInfo]) -> list[LoadInfo]:
        """Return the loads that their owner has released, of the programme's classes."""
        return [
            load
            for load in loads
            if load.released
            and load.load_class in self.programme.terms.load_classes
            and not (load.paused_until and load.paused_until > self.at)
        ]

    def gateway_refusal(self, loads: Sequence[LoadInfo]) -> Refusal | None:
        """Return a refusal where no gateway, or more than one, controls `loads`."""
        sites = {load.site_id for load in loads}
        return None if len(sites) == 1 and sites <= set(self.gateways) else Refusal.NO_GATEWAY

    def place(self, node_id: int, loads: Sequence[LoadInfo]) -> Place:
        site_id = loads[0].site_id
        hub_id, site_code = self.gateways[site_id]
        return Place(node_id, self.codes[node_id], site_id, site_code, hub_id, tuple(loads))

    def _holds_exempt(self, path: str) -> bool:
        return any(one.startswith(f"{path}.") for one in self.exempt)

    def _is_other(self, around: Iterable[str], term: int, wanted: Collection[str]) -> bool:
        """Tell whether the nearest contract has another tariff (0) or benefit (1) than wanted."""
        if not wanted:
            return False
        found = next((self.terms[one] for one in around if one in self.terms), None)
        return found is None or found[term] not in wanted
