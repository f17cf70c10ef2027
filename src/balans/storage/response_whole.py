"""Asking one node as a whole: the limit itself is asked there, and its gateway shares it out."""

from balans.core.words import StepKind
from balans.storage import lookups
from balans.storage.records import NodeInfo
from balans.storage.response_candidates import UNTOUCHABLE, Place, Places, Refusal


def as_one(places: Places, node: NodeInfo, kind: StepKind) -> Places:
    """Return `node` as the one place of an event that asks for a limit, else `places` as found.

    That is so for a node of one site, under which nothing must be left alone by an event: a limit
    there reaches every load. What its owner has not released the gateway leaves alone by itself.
    """
    if kind is not StepKind.LIMIT or not places.found or lookups.site_of(node) is None:
        return places
    spared = {*UNTOUCHABLE, Refusal.MIXED, Refusal.NO_GATEWAY}
    if any(places.refused.get(refusal) for refusal in spared):
        return places
    first = places.found[0]
    loads = tuple(load for place in places.found for load in place.loads)
    if {load.site_id for load in loads} != {first.site_id}:
        return places
    whole = Place(node.id, node.code, first.site_id, first.site_code, first.hub_id, loads)
    return Places((whole,), places.refused)
