"""The clock that the processes of a replay share."""

import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from balans.adapters.clock import RECORD, SharedClock, SharedClockWriter, SystemClock
from balans.core.errors import UnavailableError

MONDAY_S = datetime(2026, 1, 12, tzinfo=UTC).timestamp()


def test_the_system_clock_tells_the_present_in_utc() -> None:
    before = datetime.now(UTC)
    told = SystemClock().now()
    assert before <= told <= datetime.now(UTC)
    assert told.tzinfo is UTC


def test_speed_zero_stands_still(tmp_path: Path) -> None:
    writer = SharedClockWriter(tmp_path / "clock")
    writer.set(MONDAY_S)
    clock = SharedClock(tmp_path / "clock")
    assert clock.now() == datetime(2026, 1, 12, tzinfo=UTC)
    time.sleep(0.01)
    assert clock.now_s() == MONDAY_S
    writer.set(MONDAY_S + 60)
    assert clock.now_s() == MONDAY_S + 60


def test_it_goes_on_at_its_speed(tmp_path: Path) -> None:
    (tmp_path / "clock").write_bytes(RECORD.pack(MONDAY_S, time.time() - 2, 600.0))
    ahead_s = SharedClock(tmp_path / "clock").now_s() - MONDAY_S
    assert 1200 <= ahead_s < 1200 + 600 * 5


def test_readers_never_see_half_a_change(tmp_path: Path) -> None:
    writer = SharedClockWriter(tmp_path / "clock")
    writer.set(1.0)
    clock = SharedClock(tmp_path / "clock")
    over = threading.Event()

    def write() -> None:
        for step in range(20_000):
            writer.set(float(step % 2))
        over.set()

    thread = threading.Thread(target=write)
    thread.start()
    seen = set()
    while not over.is_set():
        seen.add(clock.now_s())
    thread.join()
    assert seen <= {0.0, 1.0}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="nothing: clock of the replay: No such file"):
        SharedClock(tmp_path / "nothing")


@pytest.mark.parametrize("content", [b"", b"half a record"])
def test_a_file_that_is_no_clock_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "clock").write_bytes(content)
    with pytest.raises(UnavailableError, match="is not the clock of a replay"):
        SharedClock(tmp_path / "clock")


def test_a_clock_in_a_forbidden_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError, match="clock of the replay: File exists"):
        SharedClockWriter(tmp_path / "file" / "clock")
