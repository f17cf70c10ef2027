"""Simulated modules, gateway, head-end and database: what was lost comes back from the rings."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.adapters.test_gateway_delivery import Modules
from tests.adapters.test_headend import (
    NOW,
    Bench,
    bench,
    database,
    registers,
    rows,
    until,
    until_stored,
)
from tests.adapters.test_headend_reading import create, latest, state

from balans.adapters.localmqtt import LocalBroker
from balans.core.hours import hour_of
from balans.core.words import Phase, PointRole, Resource
from balans.protocols.hub import ReadState
from balans.simulator.modules import ModuleBank
from balans.simulator.spec import ChannelSpec, ModuleSpec

__all__ = ["bench", "database"]
HOUR = hour_of(NOW)
RING = 50
GATEWAY = """
[gateway]
hub = "alice-hub"
site = "alice-house"
data_dir = "data"
mqtt_url = "{url}"

[site]
name = "house"
timezone = "Europe/Paris"
"""
COUNTED = tuple(range(HOUR - 30, HOUR + 1))


def spec_of(serial: int, inputs: tuple[int, ...]) -> ModuleSpec:
    channels = tuple(
        ChannelSpec(n, Resource.GAS, 1, 0, "m", "p", "n", PointRole.CONSUMER, Phase.L1)
        for n in inputs
    )
    return ModuleSpec(serial, "alice-hub", adapter=False, channels=channels)


class Chain:
    """A gateway process and its modules; head-end, broker and database belong to the bench."""

    def __init__(self, folder: Path, url: str, clock: Path) -> None:
        self.folder = folder
        self.modules = Modules(url, "alice-house", "alice-hub", (1000, 1001))
        specs = [spec_of(1000, (1, 2, 3)), spec_of(1001, (1,))]
        self.modules.bank = ModuleBank(specs, resend_s=0.3, ring_hours=RING)
        self.modules.now = np.array([4_711, 2, 3, 4])
        self.modules.answering = type(self.modules.answering)(
            specs, self.modules.bank, lambda: self.modules.now
        )
        self.config = folder / "gateway.toml"
        self.config.write_text(GATEWAY.format(url=url), encoding="utf-8")
        self.env = {**os.environ, "BALANS_CLOCK_FILE": str(clock)}
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        args = ["-m", "balans", "gateway", str(self.config)]
        self.process = await asyncio.create_subprocess_exec(sys.executable, *args, env=self.env)

    async def kill(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(signal.SIGKILL)
            await process.wait()


@pytest.fixture
async def chain(bench: Bench, broker: LocalBroker, tmp_path: Path) -> AsyncIterator[Chain]:
    assert bench.process is not None
    folder = tmp_path / "hub"
    folder.mkdir()
    chain = Chain(folder, broker.url, tmp_path / "clock")
    jobs = [chain.modules.link.run(), chain.modules.run()]
    tasks = [asyncio.create_task(job) for job in jobs]
    await asyncio.wait_for(chain.modules.link.wait_connected(), 10)
    for hour in COUNTED:
        chain.modules.bank.record(hour, np.arange(4) * 1_000_000 + hour)
    await asyncio.to_thread(mount_lately)
    await chain.start()
    yield chain
    await chain.kill()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def mount_lately() -> None:
    first = f"timestamptz '2000-01-01 00:00+00' + interval '{COUNTED[0] - 1} hours'"
    rows(f"update meter_mounting set valid_from = {first} returning id")


def forget(table: str) -> None:
    rows(f"with gone as (delete from {table} returning 1) select count(*) from gone")


def look_again() -> Any:
    """Let the head-end look for holes at once, and ask without patience."""
    rows("update channel_delivery set asked_at = null returning channel_id")
    return rows("update hub_state set looked_at = null returning hub_id")


async def until_complete(count: int, limit_s: float = 60.0) -> None:
    async with asyncio.timeout(limit_s):
        while await asyncio.to_thread(registers) != count:
            await asyncio.to_thread(look_again)
            await asyncio.sleep(1)


async def test_what_hub_and_database_have_lost_comes_back_from_the_modules(chain: Chain) -> None:
    """The database is an old backup, the hub's card is new: only the modules know the hours."""
    count = 4 * len(COUNTED)
    await until_stored(registers, count)
    await until(lambda: not chain.modules.bank.pending, "confirmations")
    await chain.kill()
    shutil.rmtree(chain.folder / "data")
    for table in ("reading_day", "inbox_batch", "hub_journal"):
        await asyncio.to_thread(forget, table)
    await chain.start()
    # Channels with a meter are expected to deliver; of the others nobody knows what is missing.
    mounted = 2 * len(COUNTED)
    await until_complete(mounted - 2 * 3)  # the last hours are not asked for yet
    chain.modules.bank.record(HOUR + 3, np.arange(4) * 1_000_000 + HOUR + 3)
    await until_complete(mounted + 4)
    found = await asyncio.to_thread(
        rows, "select sum(num_nonnulls(h00, h12)), count(distinct channel_id) from reading_day"
    )
    assert found[0][1] == 4
    assert await asyncio.to_thread(rows, "select sum(contradictions) from channel_delivery") == [
        (0,)
    ]


async def test_what_the_rings_have_lost_too_is_proved_gone(chain: Chain) -> None:
    await until_stored(registers, 4 * len(COUNTED))
    await asyncio.to_thread(forget, "reading_day")
    later = HOUR + RING - 10
    for hour in range(HOUR + 1, later + 1):
        chain.modules.bank.record(hour, np.arange(4) * 1_000_000 + hour)
    oldest = later - RING + 1
    await until(lambda: not chain.modules.bank.pending, "confirmations")
    async with asyncio.timeout(60):
        while True:
            await asyncio.to_thread(look_again)
            gone = await asyncio.to_thread(
                rows,
                "select lower(gone), upper(gone), oldest from channel_delivery"
                " where not isempty(gone) order by channel_id",
            )
            if len(gone) == 2:
                break
            await asyncio.sleep(1)
    assert gone == [(COUNTED[0], oldest, oldest)] * 2


@pytest.mark.usefixtures("chain")
async def test_a_meter_is_read_now_through_the_whole_chain() -> None:
    await until_stored(registers, 4 * len(COUNTED))
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    await asyncio.to_thread(create)
    await until_stored(state, ReadState.DONE, 10.0)
    assert loop.time() - began_s < 10
    assert (await asyncio.to_thread(latest)).register == 4_711


@pytest.mark.slow
async def test_a_module_that_has_gone_deaf_fails_within_a_minute(chain: Chain) -> None:
    await until_stored(registers, 4 * len(COUNTED))
    chain.modules.deaf = True
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    await asyncio.to_thread(create)
    await until_stored(state, ReadState.FAILED, 60.0)
    assert loop.time() - began_s < 60
