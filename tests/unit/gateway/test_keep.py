"""Small files that outlive the process: what is in them is used, or ignored with a warning."""

import logging
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.core.words import LimitSource
from balans.domain.demand.model import Hold, Limit, LoadState
from balans.domain.demand.timetable import IntervalMeter
from balans.gateway.files import make_folder, replace_file
from balans.gateway.keep import CalledFile, ConsentsFile, LimitsFile, MemoryFile, OwnFile
from balans.protocols.hub import (
    Call,
    Consents,
    ConsentSetting,
    Groups,
    Keys,
    Limits,
    LimitSetting,
    TrustedKey,
)
from balans.usecases.run_load_control import CalledMemory, Memory, Order, OwnSettings
from balans.usecases.run_load_control.sensing import Reading


def memory() -> Memory:
    found = Memory()
    found.states["heater"] = LoadState(on=False, since_s=5.0, hold=Hold(on=False, until_s=9.0))
    found.states["washer"] = LoadState()  # with its infinities
    found.reasons["heater"] = "operator"
    found.meters["fuse"] = IntervalMeter(0.0, 60.0, 1e5)
    order = Order("a1", "heater", on=False, author="dlm", reason="x", created_s=1.0, expires_s=2.0)
    found.commands.send(order, 1.0)
    found.commands.is_new("op1", 2.0, 1.0)
    found.effects.ordered(order, Reading(1, 60.0, 60.0, 3000.0, {"heater": 1800.0}), "")
    found.effects.confirmed(order, 61.0)
    return found


def limits(limit_w: float, version: int = 1) -> bytes:
    setting = LimitSetting("cap", LimitSource.OPERATOR, limit_w)
    return LimitsFile.encode(Limits(version, (setting,)))


def test_memory_is_read_back_whole(tmp_path: Path) -> None:
    file = MemoryFile(tmp_path / "memory")
    assert file.read() == Memory()
    file.write(file.encode(memory()))
    assert file.read() == memory()


def test_what_is_known_of_calls_is_read_back_whole(tmp_path: Path) -> None:
    file = CalledFile(tmp_path / "called")
    assert file.read() == CalledMemory()
    pinned = (TrustedKey(b"k" * 32),)
    known = CalledMemory().of(pinned)
    known.keys, known.groups = Keys(1, 3, pinned), Groups(2, 3, ("t3-peak",))
    known.versions["limits"], known.beat, known.ahead_s = 7, 99, -3.5
    known.note(Call(3, "t3-peak", "e1", 4, 100.0, 900.0), 100.0)
    file.write(file.encode(known))
    assert file.read() == known
    assert file.read().of(pinned) == known
    other = (TrustedKey(b"o" * 32),)
    assert file.read().of(other) == CalledMemory((other[0].id,)), "of other keys nothing is left"


@given(st.binary(max_size=60))
def test_any_bytes_are_survived(raw: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "file"
        path.write_bytes(raw)
        MemoryFile(path).read()
        LimitsFile(path).read()
        ConsentsFile(path).read()
        OwnFile(path).read()
        CalledFile(path).read()


def test_a_damaged_file_is_a_warning_and_nothing_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "memory"
    MemoryFile(path).write(MemoryFile.encode(memory()))
    path.write_bytes(path.read_bytes()[:-3])
    with caplog.at_level(logging.WARNING):
        assert MemoryFile(path).read() == Memory()
    assert "memory: not used" in caplog.text


def test_limits_are_read_back(tmp_path: Path) -> None:
    file = LimitsFile(tmp_path / "limits")
    assert file.limits() == ()
    file.write(limits(1000.0))
    assert file.limits() == (Limit("cap", 1000.0),)
    (tmp_path / "limits").write_bytes(b"")
    assert file.limits() == ()


def test_what_was_set_by_people_is_read_back(tmp_path: Path) -> None:
    consents = Consents(3, (ConsentSetting("heater", released=False, paused_until=9.0),))
    file = ConsentsFile(tmp_path / "consents")
    assert file.read() == Consents(0, ())
    file.write(file.encode(consents))
    assert file.read() == consents
    own = OwnSettings(
        (LimitSetting("own", LimitSource.CUSTOMER, 2000.0, node="flat"),),
        (ConsentSetting("washer", paused_until=5.0),),
        7.0,
    )
    own_file = OwnFile(tmp_path / "own")
    assert own_file.read() == OwnSettings()
    own_file.write(own_file.encode(own))
    assert own_file.read() == own


def test_a_file_with_another_kind_of_message_is_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "consents").write_bytes(limits(1000.0))
    with caplog.at_level(logging.WARNING):
        assert ConsentsFile(tmp_path / "consents").read() == Consents(0, ())
    assert "consents: not used: it holds a Limits" in caplog.text


def test_a_disk_that_refuses_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_space(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("balans.gateway.files.os.pwrite", no_space)
    MemoryFile(tmp_path / "memory").write(MemoryFile.encode(memory()))
    LimitsFile(tmp_path / "limits").write(limits(1000.0))
    assert caplog.text.count("No space left on device") == 2
    assert not (tmp_path / "memory").exists()


def test_a_disk_that_takes_only_a_part_spoils_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a disk that is nearly full a write may take less than it was given."""
    file = LimitsFile(tmp_path / "limits")
    file.write(limits(1000.0))
    whole, room = os.pwrite, [8]

    def short(fd: int, data: memoryview, at: int) -> int:
        if not room:
            raise OSError(28, "No space left on device")
        return whole(fd, data[: room.pop()], at)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", short)
        file.write(limits(2000.0, 2))
    assert file.limits() == (Limit("cap", 1000.0),)
    room[:] = [8, 8, 8, 10_000]
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", short)
        file.write(limits(2000.0, 2))
    assert room == [8, 8, 8]
    room[:] = [10_000, 8, 8]
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", short)
        file.write(limits(2000.0, 2))
    assert file.limits() == (Limit("cap", 2000.0),)


def test_a_file_is_durable_before_it_takes_its_name_and_its_name_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    sync, rename = os.fsync, Path.replace

    def noted_sync(fd: int) -> None:
        steps.append(Path(f"/proc/self/fd/{fd}").resolve().name)
        sync(fd)

    def noted_rename(self: Path, target: Path) -> Path:
        steps.append(f"rename to {target.name}")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(Path, "replace", noted_rename)
    replace_file(tmp_path / "limits", b"x")
    assert steps == ["limits.tmp", "rename to limits", tmp_path.name]


def test_a_folder_is_durable_with_all_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    sync = os.fsync

    def noted(fd: int) -> None:
        synced.append(Path(f"/proc/self/fd/{fd}").resolve().name)
        sync(fd)

    monkeypatch.setattr(os, "fsync", noted)
    make_folder(tmp_path / "a" / "b" / "c")
    assert synced == [tmp_path.name, "a", "b"]
    make_folder(tmp_path / "a" / "b" / "c")
    assert len(synced) == 3
