"""A daemon works with all its jobs or not at all."""

import asyncio
import subprocess
import sys

import pytest

from balans.wiring.service import run_beside

LIMIT_S = 10.0


class Jobs:
    def __init__(self) -> None:
        self.cancelled = 0
        self.busy = asyncio.Event()

    async def work(self) -> None:
        self.busy.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def fail(self) -> None:
        await self.busy.wait()
        raise ZeroDivisionError

    async def end(self) -> None:
        await self.busy.wait()

    async def cancel_itself(self) -> None:
        await self.busy.wait()
        raise asyncio.CancelledError


async def test_it_ends_when_asked() -> None:
    jobs, stop = Jobs(), asyncio.Event()
    running = asyncio.ensure_future(run_beside(stop, [jobs.work(), jobs.work()]))
    await jobs.busy.wait()
    stop.set()
    await asyncio.wait_for(running, LIMIT_S)
    assert jobs.cancelled == 2


async def test_a_job_that_fails_ends_all() -> None:
    jobs = Jobs()
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(
            run_beside(asyncio.Event(), [jobs.work(), jobs.fail(), jobs.work()]), LIMIT_S
        )
    assert jobs.cancelled == 2


@pytest.mark.parametrize("how", ["end", "cancel_itself"])
async def test_a_job_that_ends_by_itself_is_a_failure(how: str) -> None:
    jobs = Jobs()
    with pytest.raises(RuntimeError, match="ended by itself"):
        await asyncio.wait_for(
            run_beside(asyncio.Event(), [jobs.work(), getattr(jobs, how)()]), LIMIT_S
        )
    assert jobs.cancelled == 1


STUBBORN = """
import asyncio, os, signal
from balans.wiring.service import log_to_stderr, run_until_stopped

async def main(stop):
    os.kill(os.getpid(), signal.SIGTERM)
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass

log_to_stderr("INFO")
run_until_stopped(main, last_s=0.2)
"""


def test_what_does_not_heed_its_end_is_left_behind() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STUBBORN], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1
    assert "not ended 0 s after it was told to; still at: " in done.stderr
    assert "guarded > main > sleep, line" in done.stderr
