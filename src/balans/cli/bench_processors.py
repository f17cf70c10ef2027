"""Processor time of the database that this process has started."""

import os
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class _Process:
    name: str
    parent: int
    own_ticks: int
    ended_ticks: int


def database_s() -> float:
    """Return the processor time of the PostgreSQL processes below this one [s]; 0 without /proc."""
    there = {pid: found for pid in _pids() if (found := _read(pid)) is not None}
    mine = {os.getpid()}
    for _ in range(4):
        mine |= {pid for pid, one in there.items() if one.parent in mine}
    servers = {pid: one for pid, one in there.items() if pid in mine and one.name == "postgres"}
    ticks = sum(one.own_ticks for one in servers.values())
    ticks += sum(one.ended_ticks for one in servers.values() if one.parent not in servers)
    return ticks / os.sysconf("SC_CLK_TCK")


def _pids() -> list[int]:
    try:
        return [int(path.name) for path in PROC.iterdir() if path.name.isdigit()]
    except OSError:
        return []


def _read(pid: int) -> _Process | None:
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    name = text[text.index("(") + 1 : text.rindex(")")]
    fields = text[text.rindex(")") + 2 :].split()
    own, ended = int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
    return _Process(name, int(fields[1]), own, ended)
