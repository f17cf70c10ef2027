"""The ledger: its form, what survives a stop, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.core.errors import InputError
from balans.simulator.ledger import Ledger, read

CHANNELS = ("7-1", "7-2", "8-1")


def registers(hour: int) -> np.ndarray:
    return np.array([hour, 10 * hour, 100 * hour])


def written(path: Path, hours: range, continue_from: int | None = None) -> Ledger:
    with Ledger(path, CHANNELS, continue_from) as ledger:
        for hour in hours:
            ledger.record(hour, registers(hour))
    return ledger


def test_form(tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    ledger = written(path, range(2))
    assert path.read_text() == (
        "channel,time,register\n"
        "7-1,2000-01-01T00:00:00Z,0\n7-2,2000-01-01T00:00:00Z,0\n8-1,2000-01-01T00:00:00Z,0\n"
        "7-1,2000-01-01T01:00:00Z,1\n7-2,2000-01-01T01:00:00Z,10\n8-1,2000-01-01T01:00:00Z,100\n"
    )
    assert ledger.readings == len(read(path)) == 6
    assert read(path)["7-2", 1] == 10


def test_each_hour_is_on_disk_at_once(tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    with Ledger(path, CHANNELS) as ledger:
        ledger.record(5, registers(5))
        assert len(read(path)) == 3


def test_a_new_run_begins_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    written(path, range(5))
    assert written(path, range(2)).readings == len(read(path)) == 6


def test_a_continued_run_keeps_its_past_and_drops_what_will_be_counted_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "l.csv"
    written(path, range(5))
    ledger = written(path, range(4, 6), continue_from=3)
    assert sorted(ledger.hours) == list(range(6))
    assert len(read(path)) == ledger.readings == 18


@pytest.mark.parametrize("cut", [1, 5, 30, 60, 80])
def test_a_run_killed_while_writing_can_be_continued(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "l.csv"
    written(path, range(5))
    path.write_bytes(path.read_bytes()[:-cut])
    with Ledger(path, CHANNELS, continue_from=4) as ledger:
        assert ledger.last_hour == 3
        ledger.record(4, registers(4))
    assert len(read(path)) == 15


def test_a_ledger_of_other_channels_is_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    written(path, range(2))
    before = path.read_bytes()
    with pytest.raises(InputError, match="not those of this town"):
        Ledger(path, ("9-1", "9-2", "9-3"), continue_from=1)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1"),
        ("a,b,c\n", "line 1"),
        ("channel,time,register\n7-1,2000-01-01T00:00:00Z\n", "line 2"),
        ("channel,time,register\n7-1,2000-01-01T00:00:00Z,1\n7-1,now,1\n", "line 3"),
        ("channel,time,register\n7-1,2000-01-01T00:00:00,1\n", "line 2"),
        ("channel,time,register\n7-1,2000-01-01T00:00:00Z,x\n", "line 2"),
    ],
)
def test_what_is_no_ledger_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "l.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read(path)


def test_a_missing_ledger_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.csv"):
        read(tmp_path / "gone.csv")


@given(data=st.binary(max_size=200), head=st.booleans())
def test_any_bytes_are_a_ledger_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, *, head: bool
) -> None:
    path = tmp_path_factory.mktemp("l") / "l.csv"
    path.write_bytes((b"channel,time,register\n" if head else b"") + data)
    try:
        rows = read(path)
    except InputError:
        return
    assert len(rows) <= data.count(b"\n")
