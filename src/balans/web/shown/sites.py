"""What a person sees of a site under load control: all of it, or the loads of an own part."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from balans.core.words import LoadClass
from balans.storage import access, live, lookups
from balans.storage.access import NotVisibleError, Right
from balans.storage.commands import CommandInfo, recent, recent_by_people
from balans.storage.records import LoadInfo, NodeInfo
from balans.usecases.run_load_control import CONTROL
from balans.web.clock import site_clock
from balans.web.shown import words
from balans.web.shown.limit_tree import Branch, Named, branches
from balans.web.shown.log import LogEntry, log_entry
from balans.web.shown.names import named
from balans.web.shown.picture import Heard, Picture, Reader, picture

BY_PEOPLE_SHOWN, BY_PEOPLE_SEARCHED = 5, 100
BY_CONTROL_SHOWN, BY_CONTROL_SEARCHED = 8, 200


@dataclass(frozen=True, slots=True)
class Commands:
    """The newest commands of a site: those of persons, which are few, and load control's own."""

    by_people: tuple[CommandInfo, ...]
    by_control: tuple[CommandInfo, ...]


@dataclass(frozen=True, slots=True)
class SiteView:
    """A site as seen from `node`: the site itself, or a flat with loads in it."""

    site: NodeInfo
    node: NodeInfo
    loads: tuple[LoadInfo, ...]
    places: dict[int, str]
    rights: frozenset[Right]
    titles: dict[str, Named]
    """The nodes that the person may view, by their names in the tree of limits."""

    @property
    def whole(self) -> bool:
        """Whether the site's own power and limit are seen."""
        return self.site.id == self.node.id

    @property
    def reader(self) -> Reader:
        """What of a status is shown."""
        names = tuple(load.name for load in self.loads)
        return Reader(loads=names, whole=self.whole, zone=self.site.timezone, node=self.node_name)

    @property
    def title(self) -> str:
        """What `node` is called, in the reader's language."""
        return named(self.node.name)

    @property
    def node_name(self) -> str:
        """What `node` is called in the tree of limits."""
        return "" if self.whole else self.node.code

    def tree(self, last: live.LiveStatus | None) -> list[Branch]:
        """Return the tree of limits from `node` down; empty before the gateway tells of one."""
        return branches(last.status, self.node_name, self.titles) if last else []

    def picture(self, last: live.LiveStatus | None) -> Picture:
        """Return the texts for the status `last`."""
        return picture(heard(last), self.reader, site_clock().speed)

    def log(self, commands: Commands) -> dict[str, list[LogEntry]]:
        """Return the newest commands to the loads that are seen, if the person may audit."""
        if Right.AUDIT not in self.rights:
            return {}
        return {
            "by_people": self._entries(commands.by_people, BY_PEOPLE_SHOWN),
            "by_control": self._entries(commands.by_control, BY_CONTROL_SHOWN),
        }

    def _entries(self, commands: Sequence[CommandInfo], shown: int) -> list[LogEntry]:
        titles = {load.name: self.title_of(load) for load in self.loads}
        mine = [one for one in commands if self.whole or one.load_name in titles]
        return [log_entry(one, titles, self.site.timezone) for one in mine[:shown]]

    def title_of(self, load: LoadInfo) -> str:
        """Return place and name of a load."""
        place = self.places.get(load.node_id, "")
        title = named(load.title)
        return f"{place} · {title}" if place else title

    def load_rows(self, texts: Picture) -> list[dict[str, Any]]:
        """Return the loads for the page, those that are off first; their texts are in `texts`."""
        rows = [
            {
                "order": order,
                "key": f"load.{load.name}",
                "name": load.name,
                "title": named(load.title),
                "place": self.places.get(load.node_id, ""),
                "load_class": load.load_class.value,
                "class_word": words.word(words.LOAD_CLASSES, load.load_class),
            }
            for order, load in enumerate(self.loads)
        ]
        return sorted(rows, key=lambda row: texts[f"{row['key']}.on"] != "false")

    def switchable(self) -> list[LoadInfo]:
        """Return the loads that the person may switch."""
        if Right.CONTROL not in self.rights:
            return []
        return [load for load in self.loads if not self.refusal_of(load.name)]

    def refusal_of(self, name: str) -> str:
        """Return the code of `storage.commands` for why the person cannot switch a load, or ""."""
        load = next((load for load in self.loads if load.name == name), None)
        if load is None:
            return "not_here"
        if load.load_class == LoadClass.RED:
            return "red"
        if not load.released and Right.CONTROL_UNRELEASED not in self.rights:
            return "not_released"
        return "" if load.actuator is not None else "no_actuator"


def heard(last: live.LiveStatus | None) -> Heard | None:
    """Return a status with its age by the wall clock of the server."""
    if last is None:
        return None
    return Heard(last.status, max(0.0, (datetime.now(UTC) - last.received).total_seconds()))


def site_view(user: access.Person, code: str) -> SiteView:
    """Return the site `code` as `user` sees it.

    Raises
    ------
    NotVisibleError
        If there is no such node for the person, or it is not under load control.
    ForbiddenError
        If the person may view the node but not its live state.
    """
    node = access.node_for(user, code, Right.LIVE)
    if lookups.gateway_of(node.id) is None:
        raise NotVisibleError(f"site {code}: no load control here")
    loads = lookups.loads_of_site(node)
    return _view(user, node, node, loads)


def part_view(user: access.Person, node: NodeInfo) -> SiteView | None:
    """Return what `user` sees of the site that controls loads of `node`; None without any."""
    loads = lookups.loads_of_node(node)
    if not loads:
        return None
    site = lookups.node(loads[0].site_id)
    return _view(user, site, node, [load for load in loads if load.site_id == site.id])


def any_view(user: access.Person, node: NodeInfo) -> SiteView:
    """Return what `user` sees of load control at `node`: a whole site, or the loads of a part.

    Raises
    ------
    NotVisibleError
        If nothing at or below `node` is under load control.
    """
    if lookups.gateway_of(node.id) is not None:
        return site_view(user, node.code)
    part = part_view(user, node)
    if part is None:
        raise NotVisibleError(f"node {node.code}: no load control here")
    return part


def _view(
    user: access.Person, site: NodeInfo, node: NodeInfo, loads: Sequence[LoadInfo]
) -> SiteView:
    visible = access.visible_nodes(user)
    names = {seen.id: seen.name for seen in visible}
    places = {load.node_id: named(names.get(load.node_id, "")) for load in loads}
    places[node.id] = ""  # the heading says it
    ordered = sorted(loads, key=lambda load: (natural(names.get(load.node_id, "")), load.name))
    titles = {seen.code: _titled(seen) for seen in visible} | {"": _titled(site)}
    return SiteView(site, node, tuple(ordered), places, access.rights_on(user, node), titles)


def _titled(node: NodeInfo) -> Named:
    return Named(named(node.name), words.word(words.NODE_KINDS, node.kind))


def natural(name: str) -> tuple[tuple[str, int], ...]:
    """Return a key that sorts numbers in names by their value: flat 2 before flat 10.

    >>> sorted(["Flat 10", "Flat 2"], key=natural)
    ['Flat 2', 'Flat 10']
    """
    parts = re.findall(r"(\D*)(\d*)", name)
    return tuple((text, int(digits or 0)) for text, digits in parts)


def commands_of(site: NodeInfo) -> Commands:
    """Return the newest commands of a site, enough to find those of one flat among them."""
    return Commands(
        tuple(recent_by_people(site, BY_PEOPLE_SEARCHED)),
        tuple(one for one in recent(site, BY_CONTROL_SEARCHED) if one.author == CONTROL),
    )
