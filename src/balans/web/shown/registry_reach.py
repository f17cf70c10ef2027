"""Which sheets of a registry file a person may bring or be given: some need more than others."""

from collections.abc import Iterable
from typing import Final

from balans.storage import access
from balans.storage.access import Person, Right
from balans.storage.registry_export import present_plan
from balans.usecases.export_registry import WrittenSheet, registry_sheets
from balans.usecases.import_table import Table

NEEDED: Final = {"accounts": Right.ACCESS, "limits": Right.LIMITS}
"""What a sheet needs on the whole utility, beside the right to change the registry there."""


def demand_sheets(user: Person, tables: Iterable[Table]) -> None:
    """Make sure that `user` may bring these tables. Call inside a scope.

    Raises
    ------
    ForbiddenError
        If a right on the whole utility is missing.
    """
    access.demand_everywhere(user, Right.REGISTRY)
    for name in sorted({table.name.strip().lower() for table in tables} & NEEDED.keys()):
        access.demand_everywhere(user, NEEDED[name])


def sheets_for(user: Person) -> list[WrittenSheet]:
    """Return the registry of the utility, but for the sheets that `user` could not bring again.

    Raises
    ------
    ForbiddenError
        If the right to change the registry of the whole utility is missing.
    """
    access.demand_everywhere(user, Right.REGISTRY)
    without = {name for name, right in NEEDED.items() if not access.has_everywhere(user, right)}
    found = registry_sheets(present_plan(user.tenant_id))
    return [sheet for sheet in found if sheet.name not in without]
