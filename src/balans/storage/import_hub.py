"""The hub that stands for the imports of a tenant: what is imported takes the way of a batch.

It is no equipment: it counts as removed, so that no list shows it, and is left out of exports.
"""

import re
from typing import Final

from django.db import connection

from balans.core.errors import InputError

NAME = "Import"
RESERVED: Final = re.compile(r"import-\d+")


def import_hub_code(tenant_id: int) -> str:
    """Return the code of the hub of a tenant's imports."""
    return f"import-{tenant_id}"


def is_import_hub(code: str) -> bool:
    """Return whether no equipment may bear `code`, because it stands for somebody's imports.

    >>> is_import_hub("import-7"), is_import_hub("import-hall")
    (True, False)
    """
    return RESERVED.fullmatch(code) is not None


def import_hub(tenant_id: int) -> int:
    """Return the id of the hub of a tenant's imports, which is made at the first. In a scope.

    Raises
    ------
    InputError
        If the tenant has no node yet, so that there is nothing a reading could belong to.
    """
    with connection.cursor() as cursor:
        cursor.execute(_FIND, [import_hub_code(tenant_id)])
        row = cursor.fetchone()
        if row is None:
            cursor.execute(_MAKE, [import_hub_code(tenant_id), NAME, tenant_id])
            cursor.execute(_FIND, [import_hub_code(tenant_id)])
            row = cursor.fetchone()
    if row is None:
        raise InputError("nothing is registered yet: import the registry first")
    return int(row[0])


_FIND = "select id from hub where code = %s"
_MAKE = """
insert into hub (tenant_id, code, name, site_id, controls, removed_at)
select n.tenant_id, %s, %s, n.id, false, now() from node n
where n.tenant_id = %s and n.parent_id is null order by n.id limit 1
on conflict do nothing
"""
