"""What becomes of a contactor or valve when its module is replaced, moved or removed.

A module that goes elsewhere no longer interrupts the supply of the point that it leaves. One that
is replaced hands the device on to its successor. While an order is under way nothing is taken
away. Call inside the transaction that does it.
"""

from datetime import datetime

from balans.storage.commands import Author
from balans.storage.models import Module, SupplyDevice, SupplyOrder
from balans.storage.mounting import MountRefusedError
from balans.storage.supply_plans import WAYS


def take_off(author: Author, module: Module, now: datetime, field: str) -> list[SupplyDevice]:
    """Take note that nothing is behind the outputs of `module` any more; return what was.

    Raises
    ------
    MountRefusedError
        ``ordered`` at `field`, while an order for such a point is under way.
    """
    rows = SupplyDevice.objects.select_for_update(of=("self",)).select_related("point")
    there = list(rows.filter(module_id=module.pk, removed_at__isnull=True).order_by("id"))
    for row in there:
        if SupplyOrder.objects.filter(device_id=row.pk, state__in=WAYS).exists():
            message = f"module {module.serial}: an order for point {row.point.code} is under way"
            point = row.point.code
            raise MountRefusedError("ordered", message, field, module=module.serial, point=point)
        row.removed_at, row.removed_by = now, author.get_username()
        row.save(update_fields=["removed_at", "removed_by"])
    return there


def hand_on(author: Author, old: Module, new: Module, now: datetime) -> None:
    """Let module `new` interrupt what module `old` did.

    Raises
    ------
    MountRefusedError
        ``ordered``, or ``no_adapter``: the new one cannot.
    """
    for row in take_off(author, old, now, "successor"):
        if not new.has_adapter:
            message = f"module {new.serial} has no adapter: point {row.point.code} needs one"
            point = row.point.code
            raise MountRefusedError(
                "no_adapter", message, "successor", module=new.serial, point=point
            )
        SupplyDevice.objects.create(
            tenant_id=row.tenant_id,
            point_id=row.point_id,
            module_id=new.pk,
            output=row.output,
            kind=row.kind,
            reconnect=row.reconnect,
            author=author.get_username(),
            added_at=now,
        )
