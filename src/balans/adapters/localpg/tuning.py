"""The settings of an embedded PostgreSQL, sized for the machine it runs on."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

MB = 1024 * 1024
CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
SYNCFS_SINCE_SERVER, SYNCFS_SINCE_KERNEL = 14, (5, 8)
SHARED_SEGMENTS = Path("/dev/shm")  # noqa: S108  (asked for its size only)


def memory_bytes(limits: tuple[Path, ...] = CGROUP_LIMITS) -> int:
    """Return the memory [B] this process may use: the machine's, or its container's if less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in limits:
        try:
            machine = min(machine, int(path.read_text()))
        except (OSError, ValueError):
            continue
    return machine


def sized_settings(total_bytes: int) -> dict[str, str]:
    """Return the settings that depend on memory.

    Crash recovery reads at most ``max_wal_size``; a small machine gets less of it to stay
    within the time a start may take.

    >>> sized_settings(1024 * MB)["shared_buffers"]
    '128MB'
    >>> sized_settings(64 * 1024 * MB)["shared_buffers"]
    '1024MB'
    """

    def share(divisor: int, least_mb: int, most_mb: int) -> str:
        return f"{max(least_mb, min(most_mb, total_bytes // MB // divisor))}MB"

    return {
        "shared_buffers": share(8, 32, 1024),
        "effective_cache_size": share(2, 64, 65536),
        "work_mem": share(512, 4, 32),
        "maintenance_work_mem": share(32, 32, 512),
        "max_wal_size": "1GB" if total_bytes < 4096 * MB else "2GB",
    }


def fixed_settings(socket_dir: Path) -> dict[str, str]:
    """Return the settings that are the same on every machine.

    No network; the socket only for the user of the server. Durability stays on.
    """
    settings = {
        "listen_addresses": "",
        "port": "5432",
        "unix_socket_directories": '"' + str(socket_dir).replace('"', '""') + '"',
        "unix_socket_permissions": "0700",
        "max_connections": "100",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_startup_progress_interval": "2s",
        "log_line_prefix": "%m [%p] ",
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        "jit": "off",
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
    }
    if not _roomy_shared_memory():
        settings["dynamic_shared_memory_type"] = "mmap"
    return settings


def recovery_settings(server_major: int, kernel: str | None = None) -> dict[str, str]:
    """Return how a server makes its files durable before it recovers from a crash.

    One call for the file system instead of opening thousands of files: seconds less until the
    database is back. Both ways are as durable since Linux 5.8, which reports write errors to the
    caller of ``syncfs`` (PostgreSQL documentation, ``recovery_init_sync_method``).

    Parameters
    ----------
    server_major
        Release of PostgreSQL.
    kernel
        Release of Linux, for instance ``6.1.0-18-amd64``; None: the present system's.

    >>> recovery_settings(18, "6.1.0-18-amd64"), recovery_settings(18, "5.4.0")
    ({'recovery_init_sync_method': 'syncfs'}, {})
    """
    if kernel is None:
        system = os.uname()
        kernel = system.release if system.sysname == "Linux" else ""
    found = re.match(r"(\d+)\.(\d+)", kernel)
    release = (int(found[1]), int(found[2])) if found else (0, 0)
    if server_major < SYNCFS_SINCE_SERVER or release < SYNCFS_SINCE_KERNEL:
        return {}
    return {"recovery_init_sync_method": "syncfs"}


def as_file(settings: Mapping[str, str]) -> str:
    """Return `settings` in the syntax of PostgreSQL's configuration files."""
    lines = ["# Written anew at every start. Use ALTER SYSTEM for settings of your own.\n"]
    for name, value in settings.items():
        quoted = value.replace("'", "''")
        lines.append(f"{name} = '{quoted}'\n")
    return "".join(lines)


def _roomy_shared_memory() -> bool:
    """Tell whether parallel queries find room: containers often have 64 MB."""
    try:
        found = os.statvfs(SHARED_SEGMENTS)
    except OSError:
        return False
    return found.f_frsize * found.f_bavail > 256 * MB
