"""Edits of registers: what a person knows better than the device. Call inside a scope.

What devices sent stays as it is; an edit lies over it wherever registers are read, so a repeated
batch cannot undo it. Edits are only ever added: the newest of an hour counts.
"""

from collections.abc import Sequence
from dataclasses import replace

from django.db import connection

from balans.domain.metering import MISSING, EditKind, Registers
from balans.storage.copying import literal


def overlay(channel_ids: Sequence[int], registers: Registers) -> Registers:
    """Return `registers` with the edits of these channels over them.

    Parameters
    ----------
    channel_ids
        The channels of the rows.
    registers
        What devices sent. It is not changed; without an edit it is returned as it is.
    """
    start, n = registers.start_hour, registers.values.shape[1]
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST, [start, start + n, literal(channel_ids)])
        rows = cursor.fetchall()
    if not rows:
        return registers
    found = replace(
        registers,
        values=registers.values.copy(),
        estimated=registers.estimated.copy(),
        suspect=registers.suspect.copy(),
    )
    row_of = {channel: row for row, channel in enumerate(channel_ids)}
    for channel, hour, kind, register in rows:
        at = row_of[channel], hour - start
        found.values[at] = MISSING if register is None else register
        found.estimated[at] = kind == EditKind.ESTIMATE
        found.suspect[at] = False
    return found


_NEWEST = """
select channel_id, hour, kind, register from (
  select distinct on (channel_id, hour) channel_id, hour, kind, register from reading_edit
  where hour >= %s and hour < %s and channel_id = any(%s::int[])
  order by channel_id, hour, revision desc) newest
where kind <> 'withdraw'
"""
