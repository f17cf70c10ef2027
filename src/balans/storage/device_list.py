"""The hubs and modules at a node and below it, page by page. Call inside a scope of the tenant."""

from dataclasses import dataclass
from typing import Any, Final

from django.db import connection

from balans.core.words import DeviceKind
from balans.storage.records import NodeInfo

SIZE: Final = 100


@dataclass(frozen=True, slots=True)
class ListedDevice:
    """A registered device. `hub` is who hears a module, `meters` how many it counts now."""

    kind: DeviceKind
    code: str
    place: str
    place_name: str
    hub: str
    meters: int
    has_adapter: bool
    controls: bool


@dataclass(frozen=True, slots=True)
class DevicePage:
    """Some of the devices, hubs first. `number` counts from 1."""

    devices: tuple[ListedDevice, ...]
    number: int
    total: int

    @property
    def last(self) -> int:
        """Number of the last page, 1 where there are none."""
        return max(1, -(-self.total // SIZE))


def devices_under(node: NodeInfo, number: int, search: str = "") -> DevicePage:
    """Return page `number` of the devices in service, those whose code begins with `search`.

    Past the end it is the last page.
    """
    values: dict[str, str | int] = {"path": node.path, "search": _literal(search)}
    with connection.cursor() as cursor:
        cursor.execute(f"select count(*) from ({_DEVICES}) d", values)
        total = int(cursor.fetchone()[0])
        last = max(1, -(-total // SIZE))
        shown = max(1, min(number, last))
        page = {**values, "limit": SIZE, "offset": (shown - 1) * SIZE}
        cursor.execute(_PAGE, page)
        devices = tuple(_listed(*row) for row in cursor.fetchall())
    return DevicePage(devices, shown, total)


def _literal(search: str) -> str:
    return search.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"


def _listed(*row: Any) -> ListedDevice:
    kind, code, place, place_name, hub, meters, has_adapter, controls = row
    return ListedDevice(
        DeviceKind(kind), code, place, place_name, hub or "", meters, has_adapter, controls
    )


_DEVICES = """
select 0 as rank, h.id, 'hub' as kind, h.code, h.site_id as node_id, null::bigint as hub_id,
  false as has_adapter, h.controls
from hub h join node n on n.id = h.site_id
where n.path <@ %(path)s::ltree and h.removed_at is null and h.code like %(search)s
union all
select 1, m.id, 'module', m.serial::text, m.node_id, m.hub_id, m.has_adapter, false
from module m join node n on n.id = m.node_id
where n.path <@ %(path)s::ltree and m.removed_at is null and m.serial::text like %(search)s
"""
_PAGE = f"""
select d.kind, d.code, n.code, n.name, h.code,
  case when d.kind = 'module' then
    (select count(*) from channel c join meter_mounting mm on mm.channel_id = c.id
     where c.module_id = d.id and mm.valid_to is null)
  else (select count(*) from module m where m.hub_id = d.id and m.removed_at is null) end,
  d.has_adapter, d.controls
from ({_DEVICES} order by rank, code limit %(limit)s offset %(offset)s) d
join node n on n.id = d.node_id left join hub h on h.id = d.hub_id
order by d.rank, n.path, d.code
"""
