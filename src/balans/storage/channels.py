"""Which channel an input of a module is, for hundreds of thousands of readings at a time.

What was looked up is remembered until anything about modules or inputs changes, which
``channel_news`` tells: every committed change adds a row there. Call inside a system scope, in
the transaction that stores the readings.
"""

from dataclasses import dataclass, field

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from balans.storage.copying import Int8s, arrays
from balans.storage.dayrows import distinct

NEWS_MOST = 1_000
_INPUT_BITS = 2


@dataclass(slots=True)
class _Inputs:
    """Inputs of one tenant by `key`, ascending, and their channels."""

    key: NDArray[np.int64]
    channel: NDArray[np.int32]


@dataclass(slots=True)
class _Memory:
    version: tuple[object, ...] = ()
    inputs: dict[int, _Inputs] = field(default_factory=dict)


_memory = _Memory()


def find(readings: NDArray[np.void]) -> None:
    """Fill in the channels of `readings` (n,) of type `READING`.

    An input counts only inside the tenant of the hub it came by. What is not registered stays 0.
    """
    _check()
    for tenant in distinct(readings["tenant"]):
        mine = np.flatnonzero(readings["tenant"] == tenant)
        wanted = readings["module"][mine] << _INPUT_BITS | readings["input"][mine]
        channel = _channels(tenant, wanted)
        unknown = channel == 0
        if unknown.any():
            _look_up(np.unique(wanted[unknown] >> _INPUT_BITS))
            channel = _channels(tenant, wanted)
        readings["channel"][mine] = channel


def _check() -> None:
    """Forget everything if modules or inputs changed."""
    with connection.cursor() as cursor:
        cursor.execute(_VERSION)
        version = cursor.fetchone()
        if version[0] > NEWS_MOST:
            cursor.execute(_SHORTEN)
            cursor.execute(_VERSION)
            version = cursor.fetchone()
    if version != _memory.version:
        _memory.version, _memory.inputs = version, {}


def _channels(tenant: int, wanted: NDArray[np.int64]) -> NDArray[np.int32]:
    known = _memory.inputs.get(tenant)
    if known is None or not len(known.key):
        return np.zeros(len(wanted), np.int32)
    at = np.minimum(np.searchsorted(known.key, wanted), len(known.key) - 1)
    return np.where(known.key[at] == wanted, known.channel[at], 0)


def _look_up(serials: NDArray[np.int64]) -> None:
    tenants, modules, inputs, channels = arrays(
        _CHANNELS, [Int8s(serials)], "int4", "int8", "int2", "int4"
    )
    keys = modules.astype(np.int64) << _INPUT_BITS | inputs
    for tenant in np.unique(tenants).tolist():
        own = tenants == tenant
        before = _memory.inputs.get(tenant)
        key, channel = keys[own], channels[own].astype(np.int32)
        if before is not None:
            key = np.concatenate([before.key, key])
            channel = np.concatenate([before.channel, channel])
        key, first = np.unique(key, return_index=True)
        _memory.inputs[tenant] = _Inputs(key, channel[first])


_VERSION = """
select count(*), (select mark from channel_news order by id desc limit 1) from channel_news
"""
"""Rows are only added, or all replaced by one with a new mark: no two states are alike."""
_SHORTEN = """
with gone as (delete from channel_news) insert into channel_news default values
"""
_CHANNELS = """
select array_agg(m.tenant_id), array_agg(m.serial), array_agg(c.input), array_agg(c.id)
from module m join channel c on c.module_id = m.id where m.serial = any(%b)
"""
