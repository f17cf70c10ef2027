"""A row in every table of disconnecting, for tests that look at all tables."""

from django.db import connection

ROWS = {
    "supply_device (tenant_id, point_id, module_id, output, kind, reconnect, author, added_at,"
    " removed_by)": (
        "select p.tenant_id, p.id,"
        " (select min(m.id) from module m where m.tenant_id = p.tenant_id),"
        " 1, 'contactor', 'remote', 'x', now(), '' from metering_point p"
    ),
    "supply_protection (tenant_id, point_id, kind, reason, author, at, ended_by, end_reason)": (
        "select tenant_id, id, 'medical_device', 'x', 'x', now(), '', '' from metering_point"
    ),
    "supply_rule (tenant_id, node_id, second_person, author, at)": (
        "select tenant_id, id, '[]', 'x', now() from node"
    ),
    "supply_order (tenant_id, code, point_id, device_id, action, reason, text, author, user_id,"
    " created, expires, state, second_person, checks, approver, detail)": (
        "select d.tenant_id, 's' || d.id, d.point_id, d.id, 'disconnect', 'repair', 'x', 'x',"
        " (select min(a.id) from account a where a.tenant_id = d.tenant_id), now(),"
        " now() + interval '1 hour', 'draft', false, '[]', '', '' from supply_device d"
    ),
    "supply_step (tenant_id, order_id, state, at, author)": (
        "select tenant_id, id, 'draft', now(), 'x' from supply_order"
    ),
    "supply_contact (device_id, tenant_id, contact, since, told_at)": (
        "select id, tenant_id, 'on', now(), now() from supply_device"
    ),
    "supply_contact_change (tenant_id, device_id, contact, since)": (
        "select tenant_id, id, 'on', now() from supply_device"
    ),
}


def fill_supply(tenant_id: int) -> None:
    """Put a row of the tenant into every table of disconnecting."""
    with connection.cursor() as cursor:
        for table, rows in ROWS.items():
            alias = rows.rsplit(" from ", 1)[1].partition(" ")[2]
            own = f"{alias}.tenant_id" if alias else "tenant_id"
            cursor.execute(f"insert into {table} {rows} where {own} = {tenant_id} limit 1")
