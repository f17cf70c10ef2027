"""What hubs tell of whole supplies, from their journals into the tables. In a system scope.

An outcome counts once; what a contact says by its feedback is kept with every change. A hub that
tells of an order that nobody gave is a finding, and so is a supply that is on though it was
disconnected.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.db import connection

from balans.core.text import printable
from balans.domain.supply import Contact, Deed, OrderState, after
from balans.protocols.hub import SupplyOutcome, SupplyReport
from balans.storage import findings
from balans.storage.findings import Noticed
from balans.storage.models import SupplyOrder
from balans.storage.supply_orders import move, note_step
from balans.storage.unpacking import StoredBatch

HEARD: Final = "heard"
DEEDS: Final = {
    SupplyOutcome.CONFIRMED: Deed.CONFIRM,
    SupplyOutcome.FAILED: Deed.FAIL,
    SupplyOutcome.REFUSED: Deed.REFUSE,
}


@dataclass(frozen=True, slots=True)
class _Told:
    """A report of a tenant's hub."""

    tenant_id: int
    hub_code: str
    report: SupplyReport

    @property
    def place(self) -> str:
        """Where a finding is noticed."""
        return f"module {self.report.module}"


def store(told: Sequence[tuple[StoredBatch, SupplyReport]], now: datetime) -> None:
    """Keep reports from the batches that brought them, in the present transaction."""
    for stored, report in told:
        one = _Told(stored.tenant_id, stored.hub_code, report)
        _keep_outcome(one, now)
        _keep_contact(one, now)


def _keep_outcome(told: _Told, now: datetime) -> None:
    report = told.report
    if not report.id:
        return
    row = (
        SupplyOrder.objects.select_for_update(of=("self",))
        .filter(
            tenant_id=told.tenant_id,
            code=report.id,
            device__module__serial=report.module,
            device__output=report.output,
            sent_at__isnull=False,
        )
        .first()
    )
    if row is None:
        if report.outcome != SupplyOutcome.REFUSED:
            _notice(told, "an order that nobody gave was heard of", report.id, now)
        return
    if report.outcome == SupplyOutcome.HEARD and row.heard_at is None:
        row.heard_at = _time(report.time)
        row.save(update_fields=["heard_at"])
        note_step(row, told.hub_code, now, state=HEARD)
    deed = DEEDS.get(report.outcome)
    if deed is not None and after(OrderState(row.state), deed) is not None:
        move(row, deed, told.hub_code, now, printable(report.detail)[:500])


def _keep_contact(told: _Told, now: datetime) -> None:
    report = told.report
    if report.since is None or report.contact == Contact.UNKNOWN:
        return
    values: dict[str, Any] = {
        "tenant": told.tenant_id,
        "serial": report.module,
        "output": report.output,
        "contact": report.contact.value,
        "since": _time(report.since),
        "told_at": min(_time(report.time), now),
        "code": report.id,
    }
    with connection.cursor() as cursor:
        cursor.execute(_DEVICE, values)
        device = cursor.fetchone()
        if device is None:
            return
        values["device"], before, told_at, since, point = device
        if told_at is not None and (told_at, since) > (values["told_at"], values["since"]):
            return  # batches overtake each other: what came later was told earlier
        cursor.execute(_CONTACT, values)
        if before == report.contact:
            return
        cursor.execute(_CHANGE, values)
    if before == Contact.OFF and report.contact == Contact.ON and not report.id:
        what = "the supply is on though it was disconnected"
        _notice(told, what, f"nobody ordered it; point {point}", now)


def _notice(told: _Told, what: str, detail: str, now: datetime) -> None:
    findings.record([Noticed(told.tenant_id, told.place, what, detail)], now)


def _time(unix_s: float) -> datetime:
    return datetime.fromtimestamp(unix_s, UTC)


_DEVICE = """
select d.id, c.contact, c.told_at, c.since, p.code from supply_device d
join module m on m.id = d.module_id join metering_point p on p.id = d.point_id
left join supply_contact c on c.device_id = d.id
where d.tenant_id = %(tenant)s and d.removed_at is null
  and m.serial = %(serial)s and d.output = %(output)s
"""
_CONTACT = """
insert into supply_contact as c (device_id, tenant_id, contact, since, told_at, order_code)
values (%(device)s, %(tenant)s, %(contact)s, %(since)s, %(told_at)s, %(code)s)
on conflict (device_id) do update set contact = excluded.contact, since = excluded.since,
  told_at = excluded.told_at, order_code = excluded.order_code
"""
_CHANGE = """
insert into supply_contact_change (tenant_id, device_id, contact, since, order_code)
values (%(tenant)s, %(device)s, %(contact)s, %(since)s, %(code)s)
"""
