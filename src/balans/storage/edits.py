"""Edits of registers: what a person knows better than the device. Call inside a scope.

What devices sent stays as it is; an edit lies over it wherever registers are read, so a repeated
batch cannot undo it. Edits are only ever added: the newest of an hour counts.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from balans.domain.metering import MISSING, EditKind, Registers
from balans.storage.copying import Int4s, any_of, binary_cursor


def overlay(channel_ids: NDArray[np.int32], registers: Registers) -> Registers:
    """Return `registers` with the edits of these channels over them.

    Parameters
    ----------
    channel_ids
        The channels of the rows, (n,).
    registers
        What devices sent. It is not changed; without an edit it is returned as it is.
    """
    start, n = registers.start_hour, registers.values.shape[1]
    query = _NEWEST.format(condition=any_of("channel_id", len(channel_ids)))
    with binary_cursor() as cursor:
        cursor.execute(query, [start, start + n, Int4s(channel_ids)])
        rows = cursor.fetchall()
    if not rows:
        return registers
    found = replace(
        registers,
        values=registers.values.copy(),
        estimated=registers.estimated.copy(),
        suspect=registers.suspect.copy(),
    )
    row_of = {channel: row for row, channel in enumerate(channel_ids.tolist())}
    for channel, hour, kind, register in rows:
        at = row_of[channel], hour - start
        found.values[at] = MISSING if register is None else register
        found.estimated[at] = kind == EditKind.ESTIMATE
        found.suspect[at] = False
    return found


_NEWEST = """
select channel_id, hour, kind, register from (
  select distinct on (channel_id, hour) channel_id, hour, kind, register from reading_edit
  where hour >= %b and hour < %b and {condition}
  order by channel_id, hour, revision desc) newest
where kind <> 'withdraw'
"""
