"""One run of ``balans bench ingest``: a registry, what its hubs send, and the clock beside it."""

import os
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg

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
LATEST_H = 12
"""Late readings come up to so many hours after their hour."""
SETTLED = timedelta(hours=30)
INTAKE_THREADS = 2
BATCHES_A_COMMIT = 50
FLUSH_BATCHES = 500
COPY_RUNS = 3
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


class WrongError(BalansError):
    """What is stored is not what was sent."""

    code = "wrong"


class IngestRun:
    """Registers channels, sends what they report, and measures until it stands in day rows.

    Parameters
    ----------
    channels, hours
        So many channels report so many hours.
    seed
        Of the registers, and of what comes late or again.
    url
        The database, all of it for this run.
    """

    def __init__(self, channels: int, hours: int, seed: int, url: str) -> None:
        self.town = BenchTown(channels, hours, START, LATEST_H, seed)
        self.url = url
        self.channels: NDArray[np.int32] = np.zeros(0, np.int32)
        self._parts = dict.fromkeys(("decode", "inbox", "flush"), 0.0)
        self._lock = threading.Lock()

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
        """Return the report."""
        load = os.getloadavg()[0]
        limits_s = [self._copy_s() for _ in range(COPY_RUNS)]
        seconds = sum(self._round(number) for number in range(self.town.hours + LATEST_H))
        seconds += self._settle()
        limits_s += [self._copy_s() for _ in range(COPY_RUNS)]
        count = self.town.channels * self.town.hours
        self._check()
        limit = count / float(np.median(limits_s))
        return {
            "channels": self.town.channels,
            "hours": self.town.hours,
            "readings": count,
            "sent": self.town.sent,
            "seconds": round(seconds, 3),
            "readings_per_s": round(count / seconds),
            "copy_limit_readings_per_s": round(limit),
            "copy_limit_spread": [round(count / max(limits_s)), round(count / min(limits_s))],
            "ratio": round(count / seconds / limit, 3),
            "bytes_per_reading": round(self._bytes("reading_day") / count, 2),
            "wal_bytes_per_reading": round(self._wal / count, 1),
            "parts_s": {name: round(value, 3) for name, value in self._parts.items()},
            "load": [round(load, 1), round(os.getloadavg()[0], 1)],
        }

    def _round(self, number: int) -> float:
        """Take what comes in one hour, as the head-end does, and return how long that takes [s]."""
        payloads = self.town.deliveries(number)
        if number == 0:
            self._wal_began = self._wal_position()
        now = time_of(START + number) + timedelta(minutes=30)
        done = threading.Event()
        began_s = time.perf_counter()
        with ThreadPoolExecutor(INTAKE_THREADS + 1) as pool:
            flusher = pool.submit(self._flush_until, done, now)
            queue = deque(payloads)
            workers = [pool.submit(self._take, queue, now) for _ in range(INTAKE_THREADS)]
            for worker in workers:
                worker.result()
            done.set()
            flusher.result()
        return time.perf_counter() - began_s

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

    def _settle(self) -> float:
        """Let the days end and return how long their rows take [s]."""
        now = time_of(START + self.town.hours + LATEST_H) + SETTLED
        began_s = time.perf_counter()
        flush.flush_inbox(now, FLUSH_BATCHES)
        took_s = time.perf_counter() - began_s
        self._parts["flush"] += took_s
        self._wal = self._wal_position() - self._wal_began
        if waiting():
            raise WrongError("batches are left in the inbox")
        return took_s

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

    def _copy_s(self) -> float:
        """Return how long a raw COPY of all readings takes [s]; encoding them is not counted."""
        rows = np.empty(self.town.registers.size, _NARROW)
        rows["fields"] = 3
        for name, size in (("channel", 4), ("time", 8), ("register", 4)):
            rows[f"{name}_length"] = size
        rows["channel"] = np.tile(self.channels, self.town.hours)
        hour = np.repeat(np.arange(self.town.hours) + START, self.town.channels)
        rows["time"] = hour * 3_600_000_000
        rows["register"] = self.town.registers.T.reshape(-1)
        data = b"PGCOPY\n\xff\r\n\x00" + bytes(8) + rows.tobytes() + b"\xff\xff"
        with psycopg.connect(self.url) as admin, admin.cursor() as cursor:
            cursor.execute("drop table if exists bench_narrow")
            cursor.execute(
                "create table bench_narrow (channel_id int, time timestamptz, register int)"
            )
            admin.commit()
            began_s = time.perf_counter()
            with cursor.copy("copy bench_narrow from stdin (format binary)") as copy:
                for at in range(0, len(data), CHUNK):
                    copy.write(data[at : at + CHUNK])
            admin.commit()
            took_s = time.perf_counter() - began_s
            cursor.execute("drop table bench_narrow")
        return took_s

    def seal(self) -> dict[str, Any]:
        """Seal everything and return how long that takes, and how big it is."""
        began_s = time.perf_counter()
        rows = sealing.seal_due(time_of(START) + timedelta(days=400))
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
