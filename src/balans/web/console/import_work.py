"""Takes a file for a person: who may bring what, and what becomes of it. Inside a scope."""

from typing import Any, Final

from balans.core.errors import InputError
from balans.storage import access, imports
from balans.storage.access import ForbiddenError, NotVisibleError, Right
from balans.storage.import_sources import Reach
from balans.storage.imports import ImportInfo, ImportKind
from balans.storage.registry_export import present_plan
from balans.usecases.reading_layout import layout_of
from balans.web.clock import site_clock
from balans.web.console.import_form import Filled
from balans.web.shown.registry_reach import demand_sheets
from balans.wiring.import_readings import import_readings
from balans.wiring.import_registry import Utility, import_registry
from balans.wiring.imports import Outcome, Progress, Wish, sheet_of, silent, tables_in, unpacked

ID_END: Final = 2**63


def may_import(user: Any) -> dict[ImportKind, bool]:
    """Return which kinds of files a person may bring."""
    return {
        ImportKind.REGISTRY: access.has_everywhere(user, Right.REGISTRY),
        ImportKind.READINGS: bool(access.granted_paths(user, Right.JUDGE)),
    }


def take(user: Any, filled: Filled, progress: Progress = silent) -> Outcome:
    """Bring a file into the tables as far as the person may.

    Raises
    ------
    ForbiddenError
        If the person may not bring files of this kind.
    InputError
        If it is no file that can be read.
    """
    wish = Wish(
        user.get_username(), site_clock().now(), filled.partial, filled.check_only, progress
    )
    if filled.kind == ImportKind.REGISTRY:
        access.demand_everywhere(user, Right.REGISTRY)
        return _registry(user, filled, wish)
    paths = tuple(access.granted_paths(user, Right.JUDGE))
    if not paths:
        raise ForbiddenError("the right to judge readings is missing")
    reach = Reach(user.tenant_id, paths)
    return import_readings(filled.content, filled.name, filled.layout, reach, wish)


def _registry(user: Any, filled: Filled, wish: Wish) -> Outcome:
    content = unpacked(filled.content, filled.name)
    tables = tables_in(content, filled.name, sheet_of(filled.name), silent)
    demand_sheets(user, tables)
    tenant = present_plan(user.tenant_id).tenant
    utility = Utility(tenant, user.tenant_id, filled.timezone)
    return import_registry(content, filled.name, utility, wish)


def seen(user: Any, number: int) -> ImportInfo:
    """Return an import that the person may see: any by who has the whole registry, else the own.

    Raises
    ------
    NotVisibleError
        If there is none.
    """
    found = imports.find(number) if number < ID_END else None
    mine = found is not None and found.author == user.get_username()
    if found is None or not (mine or access.has_everywhere(user, Right.REGISTRY)):
        raise NotVisibleError(f"import {number}: not found")
    return found


def listed(user: Any) -> list[ImportInfo]:
    """Return the newest imports that the person may see."""
    author = "" if access.has_everywhere(user, Right.REGISTRY) else user.get_username()
    return imports.latest(author=author)


def again(user: Any, kept: ImportInfo) -> Outcome:
    """Take what is good of a file that was refused, or a file that was only looked at."""
    content = imports.content(kept.id)
    if content is None:
        raise InputError(f"{kept.name}: is not kept any more")
    layout = layout_of(kept.options)
    filled = Filled(kept.kind, kept.name, content, layout, layout.timezone, partial=True)
    return take(user, filled)
