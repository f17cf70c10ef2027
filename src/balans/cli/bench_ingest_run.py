"""One run of ``balans bench ingest``: a registry, what its hubs send, and the clock beside it."""

import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg

from balans.cli.bench_processors import database_s
from balans.cli.bench_town import BenchTown
from balans.core.errors import BalansError
from balans.core.hours import hour_of, time_of
from balans.protocols.hub import Batch, decode
from balans.storage import flush, sealing
from balans.storage.inbox import store_batches, waiting
from balans.storage.matrix import read
from balans.storage.registry import apply_plan
from balans.storage.scope import system_scope

if TYPE_CHECKING:
    from numpy.typing import NDArray

START = hour_of(datetime(2026, 9, 1, tzinfo=UTC))
LATEST_H = 6
"""Late readings come up to so many hours after their hour."""
SETTLED = timedelta(hours=30)
INTAKE_THREADS = 2
BATCHES_A_COMMIT = 100
FLUSH_BATCHES = 500
CHUNK = 1 << 20
_NARROW = np.dtype(
    [
        ("fields", ">i2"),
        *(
            (field, kind)
            for name, kind in (("channel", ">i4"), ("time", ">i8"), ("register", ">i4"))
            for field, kind in ((f"{name}_length", ">i4"), (name, kind))
        ),
    ]
)


class Spent:
    """Time spent on something: by the clock, and by the processors (here and in the database)."""

    def __init__(self) -> None:
        self.wall_s = self._processors_s = 0.0

    @property
    def processors_s(self) -> float:
        """Seconds of all processors."""
        return round(self._processors_s, 2)

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Add what the block takes."""
        began, began_s = time.process_time() + database_s(), time.perf_counter()
        yield
        self.wall_s += time.perf_counter() - began_s
        self._processors_s += time.process_time() + database_s() - began


class WrongError(BalansError):
    """What is stored is not what was sent."""

    code = "wrong"


class IngestRun:
    """Registers channels, sends what they report, and measures until it stands in day rows.

    Parameters
    ----------
    town
        What is reported, from hour `START` on.
    every
        Hubs send so many hours at a time.
    url
        The database, all of it for this run.
    """

    def __init__(self, town: BenchTown, every: int, url: str) -> None:
        self.town = town
        self.every = every
        self.url = url
        self.channels: NDArray[np.int32] = np.zeros(0, np.int32)
        self._parts = dict.fromkeys(("decode", "inbox", "flush"), 0.0)
        self._lock = threading.Lock()
        self._plain = psycopg.connect(url)

    def register(self) -> None:
        """Register hubs, modules and channels."""
        apply_plan(self.town.plan(), actor="bench ingest")
        with psycopg.connect(self.url) as admin:
            admin.execute("set balans.tenant = 'all'")
            rows = admin.execute(
                "select c.id from channel c join module m on m.id = c.module_id"
                " order by m.serial, c.input"
            ).fetchall()
        self.channels = np.array([row[0] for row in rows], np.int32)

    def measure(self) -> dict[str, Any]:
        """Return the report. Each hour is measured beside a raw COPY of its readings."""
        load = os.getloadavg()[0]
        ours, copy = Spent(), Spent()
        self._narrow_table()
        wal_began = self._wal_position()
        copied = 0
        for first in range(0, self.town.hours + LATEST_H, self.every):
            payloads = self.town.deliveries(first, first + self.every)
            with ours.watch():
                self._round(first + self.every, payloads)
            before = self._wal_position()
            if first < self.town.hours:
                data = self._narrow(first, min(first + self.every, self.town.hours))
                with copy.watch():
                    self._copy(data)
            copied += self._wal_position() - before
        with ours.watch():
            self._settle()
        wal = self._wal_position() - wal_began - copied
        self._check()
        count = self.town.channels * self.town.hours
        return {
            "channels": self.town.channels,
            "hours": self.town.hours,
            "every_h": self.every,
            "readings": count,
            "sent": self.town.sent,
            "seconds": round(ours.wall_s, 3),
            "readings_per_s": round(count / ours.wall_s),
            "copy_limit_readings_per_s": round(count / copy.wall_s),
            "ratio": round(copy.wall_s / ours.wall_s, 3),
            "bytes_per_reading": round(self._bytes("reading_day") / count, 2),
            "wal_bytes_per_reading": round(wal / count, 1),
            "processor_s": {"ingest": ours.processors_s, "copy": copy.processors_s},
            "parts_s": {name: round(value, 3) for name, value in self._parts.items()},
            "load": [round(load, 1), round(os.getloadavg()[0], 1)],
        }

    def _round(self, number: int, payloads: list[tuple[str, bytes]]) -> None:
        """Take what comes in one hour, as the head-end does."""
        now = time_of(START + number - 1) + timedelta(minutes=30)
        done = threading.Event()
        with ThreadPoolExecutor(INTAKE_THREADS + 1) as pool:
            flusher = pool.submit(self._flush_until, done, now)
            queue = deque(payloads)
            workers = [pool.submit(self._take, queue, now) for _ in range(INTAKE_THREADS)]
            for worker in workers:
                worker.result()
            done.set()
            flusher.result()

    def _take(self, queue: deque[tuple[str, bytes]], now: datetime) -> None:
        """Decode and store until nothing waits."""
        decode_s = inbox_s = 0.0
        while queue:
            began_s = time.perf_counter()
            batches: list[tuple[str, Batch]] = []
            while queue and len(batches) < BATCHES_A_COMMIT:
                try:
                    hub, payload = queue.popleft()
                except IndexError:
                    break
                message = decode(payload)
                assert isinstance(message, Batch)  # noqa: S101  (we made it)
                batches.append((hub, message))
            decoded_s = time.perf_counter()
            if batches:
                store_batches(batches, now)
            decode_s += decoded_s - began_s
            inbox_s += time.perf_counter() - decoded_s
        with self._lock:
            self._parts["decode"] += decode_s
            self._parts["inbox"] += inbox_s

    def _flush_until(self, done: threading.Event, now: datetime) -> None:
        last = False
        while True:
            last = done.is_set()
            began_s = time.perf_counter()
            result = flush.flush_inbox(now, FLUSH_BATCHES)
            self._parts["flush"] += time.perf_counter() - began_s
            if last and result.batches < FLUSH_BATCHES:
                return
            done.wait(0.05)

    def _settle(self) -> None:
        """Let the days end."""
        now = time_of(START + self.town.hours + LATEST_H) + SETTLED
        began_s = time.perf_counter()
        flush.flush_inbox(now, FLUSH_BATCHES)
        self._parts["flush"] += time.perf_counter() - began_s
        if waiting():
            raise WrongError("batches are left in the inbox")

    def _check(self) -> None:
        """Compare everything stored with everything sent."""
        days = (self.town.hours + 23) // 24
        with system_scope(), psycopg.connect(self.url) as admin:
            admin.execute("set balans.tenant = 'all'")
            left = admin.execute("select count(*) from reading_recent").fetchone()
            for first in range(0, len(self.channels), 10_000):
                part = slice(first, first + 10_000)
                found = read(self.channels[part], START // 24, days)
                at = np.searchsorted(found.channels, self.channels[part])
                if (found.values[at, : self.town.hours] != self.town.registers[part]).any():
                    raise WrongError("what is stored is not what was sent")
        if left != (0,):
            raise WrongError(f"{left} blocks are no day rows yet")

    def _narrow_table(self) -> None:
        with psycopg.connect(self.url) as admin:
            admin.execute(
                "create table bench_narrow (channel_id int, time timestamptz, register int)"
            )

    def _narrow(self, first: int, last: int) -> bytes:
        """Return the readings of hours as a binary COPY."""
        rows = np.empty((last - first, self.town.channels), _NARROW)
        rows["fields"] = 3
        for name, size in (("channel", 4), ("time", 8), ("register", 4)):
            rows[f"{name}_length"] = size
        rows["channel"] = self.channels
        rows["time"] = (np.arange(first, last)[:, np.newaxis] + START) * 3_600_000_000
        rows["register"] = self.town.registers[:, first:last].T
        return b"PGCOPY\n\xff\r\n\x00" + bytes(8) + rows.tobytes() + b"\xff\xff"

    def _copy(self, data: bytes) -> None:
        with self._plain.cursor() as cursor:
            with cursor.copy("copy bench_narrow from stdin (format binary)") as copy:
                for at in range(0, len(data), CHUNK):
                    copy.write(data[at : at + CHUNK])
            self._plain.commit()

    def seal(self) -> dict[str, Any]:
        """Seal everything and return how long that takes, and how big it is."""
        began_s = time.perf_counter()
        rows = sealing.seal_due(time_of(START + self.town.hours) + timedelta(days=100))
        took_s = time.perf_counter() - began_s
        count = self.town.channels * self.town.hours
        return {
            "rows": rows,
            "seconds": round(took_s, 3),
            "readings_per_s": round(count / took_s),
            "bytes_per_reading": round(self._bytes("reading_month") / count, 2),
        }

    def _bytes(self, table: str) -> int:
        with psycopg.connect(self.url) as admin:
            row = admin.execute(
                "select sum(pg_total_relation_size(inhrelid)) from pg_inherits"
                " where inhparent = %s::regclass",
                [table],
            ).fetchone()
        return int(row[0]) if row and row[0] else 0

    def _wal_position(self) -> int:
        with psycopg.connect(self.url) as admin:
            row = admin.execute(
                "select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"
            ).fetchone()
        return int(row[0]) if row else 0
