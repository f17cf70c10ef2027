"""Puts a change of meter into the registry, also back-dated. Call inside a scope of the tenant."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import Q

from balans.core.errors import BalansError
from balans.domain.metering import MISSING
from balans.storage import access
from balans.storage.access import Right
from balans.storage.balance_dirty import mark_points
from balans.storage.commands import Author
from balans.storage.models import Channel, Meter, MeterMounting
from balans.storage.mountings import Mounting, counters_of, mountings_of
from balans.storage.records import PointInfo
from balans.usecases.exchange_meter import (
    Cut,
    Exchange,
    Flaw,
    NewMeter,
    Period,
    check_exchange,
    cut,
    flaw,
)

HOUR: Final = timedelta(hours=1)


class ExchangeRefusedError(BalansError):
    """The exchange contradicts itself or the registry; `findings` say where and why."""

    code = "exchange"

    def __init__(self, findings: Sequence[Flaw]) -> None:
        super().__init__("\n".join(map(str, findings)))
        self.findings = tuple(findings)


def exchange_meter(user: Author, exchange: Exchange, now: datetime) -> int:
    """Let another meter take the place of one; return at how many points.

    All that follows from readings (profiles, balances) follows the exchange at once.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `access.point_for`, without the right to change the registry at each of its points.
    ExchangeRefusedError
        Naming each point and field that is wrong. Then nothing was changed.
    """
    if exchange.at > now:
        raise _refused("future", "time", f"{exchange.at.isoformat()} is to come")
    rows = _rows(user, exchange)
    for row in rows:
        access.point_for(user, row.point.code, Right.REGISTRY)
    periods = [_period(row) for row in rows]
    findings = check_exchange(exchange, periods)
    if findings:
        raise ExchangeRefusedError(findings)
    try:
        with transaction.atomic():
            meter = _new_meter(user.tenant_id, rows[0].meter, exchange.new)
            for row, period in zip(rows, periods, strict=True):
                _apply(row, meter, exchange.at, cut(exchange, period))
    except IntegrityError as error:
        diag = getattr(error.__cause__, "diag", None)
        what = f"{diag.message_primary}: {diag.message_detail}" if diag else str(error)
        raise _refused("conflict", f"meter {exchange.new.serial}", what) from error
    return len(rows)


def mountings_at(point: PointInfo) -> list[Mounting]:
    """Return all meters that were ever at `point`, the latest first."""
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    return mountings_of([point.id], first, last)[::-1]


def channel_names(channel_ids: Sequence[int]) -> dict[int, str]:
    """Return channels as people write them: serial number of the module, dash, input."""
    rows = Channel.objects.filter(id__in=channel_ids).select_related("module")
    return {row.pk: f"{row.module.serial}-{row.input}" for row in rows}


def _rows(user: Author, exchange: Exchange) -> list[MeterMounting]:
    """Return the mountings of the old meter that the exchange lies in, locked."""
    rows = MeterMounting.objects.filter(
        Q(valid_to__isnull=True) | Q(valid_to__gt=exchange.at),
        tenant_id=user.tenant_id,
        meter__serial=exchange.old,
        valid_from__lte=exchange.at,
    )
    return list(
        rows.select_for_update(of=("self",))
        .select_related("meter", "point")
        .order_by("point__code")
    )


def _period(row: MeterMounting) -> Period:
    channel = None
    if row.channel_id is not None:
        found = Channel.objects.select_related("module").get(id=row.channel_id)
        channel = (found.module.serial, found.input)
    return Period(
        point=row.point.code,
        channel=channel,
        start=row.valid_from,
        end=row.valid_to,
        pulse_weight=row.meter.pulse_weight,
        modulus=row.meter.register_modulus,
        origin=_origin(row),
        dial_at_mount=row.dial_at_mount,
        register_at_removal=row.register_at_removal,
        dial_at_removal=row.dial_at_removal,
    )


def _origin(row: MeterMounting) -> int | None:
    """Return the register at mounting, or the one of a mounting at a full hour."""
    if row.register_at_mount is not None or row.channel_id is None:
        return row.register_at_mount
    found = mountings_of([row.point_id], row.valid_from, row.valid_from + HOUR)
    (mounting,) = (one for one in found if one.id == row.pk)
    (counter,) = counters_of([mounting], row.valid_from, row.valid_from)[row.point_id]
    return int(counter.raw[0]) if len(counter.raw) and counter.raw[0] != MISSING else None


def _new_meter(tenant_id: int, old: Meter, new: NewMeter) -> Meter:
    """Return the meter that comes: registered already, or registered now."""
    meter = Meter.objects.filter(tenant_id=tenant_id, serial=new.serial).first()
    if meter is not None:
        if meter.resource != old.resource:
            raise _refused("resource", "new meter", f"{new.serial} measures {meter.resource}")
        asked = (new.pulse_weight, new.transformer_ratio, new.register_modulus)
        held = (meter.pulse_weight, meter.transformer_ratio, meter.register_modulus)
        for wanted, there in zip(asked, held, strict=True):
            if wanted is not None and wanted != there:
                what = f"{new.serial} is registered with {there}, not {wanted}"
                raise _refused("registered", "new meter", what)
        return meter
    weight = old.pulse_weight if new.pulse_weight is None else new.pulse_weight
    ratio = old.transformer_ratio if new.transformer_ratio is None else new.transformer_ratio
    modulus = old.register_modulus if new.register_modulus is None else new.register_modulus
    return Meter.objects.create(
        tenant_id=tenant_id,
        serial=new.serial,
        resource=old.resource,
        pulse_weight_numerator=weight.numerator,
        pulse_weight_denominator=weight.denominator,
        transformer_ratio_numerator=ratio.numerator,
        transformer_ratio_denominator=ratio.denominator,
        register_modulus=modulus,
    )


def _apply(row: MeterMounting, meter: Meter, at: datetime, change: Cut) -> None:
    old: dict[str, Any] = {
        "valid_to": at,
        "register_at_removal": change.register_at_removal,
        "dial_at_removal": change.dial_at_removal,
    }
    channel_id = _channel_id(row, change.channel)
    if _elsewhere(meter, row, at, change.end):
        what = f"{meter.serial} was mounted elsewhere at that time"
        raise _refused("elsewhere", "new meter", what)
    for name, value in old.items():
        setattr(row, name, value)
    row.save(update_fields=list(old))
    MeterMounting.objects.create(
        tenant_id=row.tenant_id,
        meter_id=meter.pk,
        point_id=row.point_id,
        channel_id=channel_id,
        valid_from=at,
        valid_to=change.end,
        register_at_mount=change.register_at_mount,
        dial_at_mount=change.dial_at_mount,
        register_at_removal=change.register_at_end if change.end is not None else None,
        dial_at_removal=change.dial_at_end if change.end is not None else None,
    )
    mark_points([row.point_id], at - HOUR, change.end)


def _channel_id(row: MeterMounting, channel: tuple[int, int] | None) -> int | None:
    if channel is None:
        return None
    serial, number = channel
    found = Channel.objects.filter(
        tenant_id=row.tenant_id, module__serial=serial, input=number
    ).values_list("id", flat=True)
    for channel_id in found:
        return channel_id
    what = f"module {serial} has no input {number}"
    raise _refused("no_channel", f"point {row.point.code}: channel", what)


def _elsewhere(meter: Meter, row: MeterMounting, at: datetime, end: datetime | None) -> bool:
    """Return whether the new meter hangs at another place meanwhile."""
    rows = MeterMounting.objects.filter(Q(valid_to__isnull=True) | Q(valid_to__gt=at), meter=meter)
    if end is not None:
        rows = rows.filter(valid_from__lt=end)
    return rows.exclude(valid_from=at, point__node_id=row.point.node_id).exists()


def _refused(code: str, where: str, what: str) -> ExchangeRefusedError:
    return ExchangeRefusedError([flaw(code, where, what)])
