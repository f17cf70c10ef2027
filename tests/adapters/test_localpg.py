"""The embedded PostgreSQL: started, killed, found again with every row it acknowledged."""

import os
import pwd
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from balans.adapters.localpg import LocalPostgres, exists, find_running
from balans.adapters.localpg.remains import stop_orphan
from balans.core.errors import UnavailableError
from balans.supervision.lock import OwnedElsewhereError

LIMIT_S = 60.0
AS_ROOT = os.geteuid() == 0


def until(condition: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def own_dir(server_dir: Path) -> Path:
    """A data directory that the tests here stop, start and break in turn."""
    return server_dir / "localpg"


@pytest.fixture
def server(own_dir: Path) -> Iterator[LocalPostgres]:
    with LocalPostgres(own_dir) as running:
        yield running


def rows(url: str) -> set[int]:
    with psycopg.connect(url) as connection:
        return {row[0] for row in connection.execute("SELECT number FROM kept")}


def make_table(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("DROP TABLE IF EXISTS kept; CREATE TABLE kept (number int)")


class Writer:
    """Inserts rows one by one and remembers those whose commit came back."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.acknowledged: list[int] = []
        self.thread = threading.Thread(target=self._write)
        self.thread.start()

    def _write(self) -> None:
        try:
            with psycopg.connect(self.url, autocommit=True) as connection:
                for number in range(1_000_000):
                    connection.execute("INSERT INTO kept VALUES (%s)", (number,))
                    self.acknowledged.append(number)
        except psycopg.OperationalError:
            return


def test_the_product_has_few_rights(server: LocalPostgres) -> None:
    with psycopg.connect(server.url) as connection:
        rights = connection.execute(
            "SELECT rolsuper, rolbypassrls, rolcreatedb, rolcreaterole, rolcanlogin"
            " FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        owner = connection.execute(
            "SELECT datname, pg_get_userbyid(datdba), pg_encoding_to_char(encoding)"
            " FROM pg_database WHERE datname = current_database()"
        ).fetchone()
    assert rights == (False, False, False, False, True)
    assert owner == ("balans", "balans", "UTF8")


def test_it_is_durable_without_network_and_knows_our_letters(server: LocalPostgres) -> None:
    with psycopg.connect(server.url) as connection:
        found = connection.execute(
            "SELECT current_setting('fsync'), current_setting('synchronous_commit'),"
            " current_setting('listen_addresses'), lower('ЖЩȘĂ')"
        ).fetchone()
        connection.execute("CREATE EXTENSION IF NOT EXISTS ltree")
    folded = "жщșă" if server.binaries.major >= 17 else "ЖЩȘĂ"
    assert found == ("on", "on", "", folded)


@pytest.mark.parametrize("url", ["url", "admin_url"])
def test_nobody_gets_in_without_the_password(server: LocalPostgres, url: str) -> None:
    right = getattr(server, url)
    login, _, place = right.removeprefix("postgresql://").partition("@")
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"postgresql://{login.partition(':')[0]}:wrong@{place}")
    psycopg.connect(right).close()


def test_files_with_passwords_are_private(server: LocalPostgres, own_dir: Path) -> None:
    home = own_dir / "postgres"
    for name in ("connection.json", "server.log", "owner.lock"):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600
    assert server.url.partition(":")[2].partition("@")[0] not in (home / "server.log").read_text()


def test_stop_and_warm_start_keep_rows_and_address(own_dir: Path) -> None:
    server = LocalPostgres(own_dir)
    server.start()
    url = server.url
    make_table(url)
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO kept VALUES (7)")
    server.stop()
    assert not server.alive()
    server.stop()
    server.start()
    server.start()
    assert server.url == url
    assert rows(url) == {7}
    assert server.status().running
    server.stop()


def test_a_terminal_does_not_interrupt_the_server(server: LocalPostgres) -> None:
    pid = server.status().pid
    assert pid
    assert os.getpgid(pid) != os.getpgid(0)


def test_a_killed_server_comes_back_with_every_acknowledged_row(server: LocalPostgres) -> None:
    make_table(server.url)
    told: list[str] = []
    server.watch(told.append)
    for restarts in (1, 2):
        before = server.status().pid
        assert before
        writer = Writer(server.url)
        until(lambda w=writer: len(w.acknowledged) > 50)  # type: ignore[misc]
        os.kill(before, signal.SIGKILL)
        writer.thread.join(LIMIT_S)
        until(server.alive)
        assert server.status().restarts == restarts
        assert server.status().pid != before
        assert set(writer.acknowledged) <= rows(server.url)
        make_table(server.url)
    assert len(told) == 2
    assert "died" in told[0]


OWNER = """
import sys, time
from pathlib import Path
from balans.adapters.localpg import LocalPostgres
server = LocalPostgres(Path(sys.argv[1]))
server.start()
print(server.status().pid, flush=True)
time.sleep(600)
"""


def test_a_killed_owner_takes_its_server_along(own_dir: Path) -> None:
    with LocalPostgres(own_dir) as server:
        make_table(server.url)
    owner = subprocess.Popen([sys.executable, "-c", OWNER, own_dir], stdout=subprocess.PIPE)
    assert owner.stdout
    pid = int(owner.stdout.readline())
    url = find_running(own_dir)
    assert url
    with pytest.raises(OwnedElsewhereError, match="another process owns"):
        LocalPostgres(own_dir).start()
    writer = Writer(url)
    until(lambda: len(writer.acknowledged) > 50)
    owner.kill()
    owner.communicate()
    writer.thread.join(LIMIT_S)
    assert find_running(own_dir) is None
    with LocalPostgres(own_dir) as server:
        assert not is_running(pid), "the old server lives on beside the new one"
        assert set(writer.acknowledged) <= rows(server.url)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_server_left_behind_is_stopped_first(own_dir: Path) -> None:
    """As after the death of an owner on a system without a parent-death signal."""
    with LocalPostgres(own_dir) as server:
        cluster = Path(server.status().cluster or "")
        program = server.binaries.program("postgres")
    account = cluster.stat()
    orphan = subprocess.Popen(
        [program, "-D", cluster],
        user=account.st_uid,
        group=account.st_gid,
        extra_groups=[] if AS_ROOT else None,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    )
    until((cluster / "postmaster.pid").exists)
    reaper = threading.Thread(target=orphan.wait)
    reaper.start()
    told: list[str] = []
    with LocalPostgres(own_dir, progress=told.append) as server:
        assert orphan.returncode == 0, "it was stopped in the fast and clean way"
        assert server.alive()
    reaper.join()
    assert any("left behind" in line for line in told)


def test_a_number_used_again_by_another_program_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "600"], cwd="/") as other:
        (tmp_path / "postmaster.pid").write_text(f"{other.pid}\n{tmp_path}\n")
        assert not stop_orphan(tmp_path, lambda _message: None)
        assert other.poll() is None
        other.kill()
    assert (tmp_path / "postmaster.pid").exists(), "it guards against surviving backends"


@pytest.fixture
def zombie() -> Iterator["subprocess.Popen[bytes]"]:
    dead = subprocess.Popen(["true"])
    until(lambda: not is_running(dead.pid))
    yield dead
    dead.wait()


def test_a_zombie_is_waited_for(tmp_path: Path, zombie: "subprocess.Popen[bytes]") -> None:
    (tmp_path / "postmaster.pid").write_text(f"{zombie.pid}\n")
    reaper = threading.Timer(0.2, zombie.wait)
    reaper.start()
    assert not stop_orphan(tmp_path, lambda _message: None)
    reaper.join()


def test_a_zombie_that_nobody_reaps_is_explained(
    tmp_path: Path, zombie: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("balans.adapters.localpg.remains.ZOMBIE_S", 0.1)
    (tmp_path / "postmaster.pid").write_text(f"{zombie.pid}\n")
    with pytest.raises(UnavailableError, match=f"process {zombie.pid}, .* never reaped"):
        stop_orphan(tmp_path, lambda _message: None)


def test_modes_of_all_parents_stay(tmp_path: Path, server_dir: Path) -> None:
    """Also when root's server may not pass them: pytest's folders are private."""
    inner = tmp_path / "private" / "data"
    inner.mkdir(parents=True)
    inner.parent.chmod(0o700)
    parents = [inner, *inner.parents]
    before = [(path.stat().st_mode, path.stat().st_uid) for path in parents]
    server = LocalPostgres(inner, state_dir=server_dir / "state")
    with server:
        assert server.alive()
        cluster = Path(server.status().cluster or "")
        assert cluster.is_relative_to(server_dir if AS_ROOT else inner)
    assert [(path.stat().st_mode, path.stat().st_uid) for path in parents] == before
    assert exists(inner, server_dir / "state")
    with LocalPostgres(inner) as again:
        assert again.status().cluster == str(cluster), "found by what was written down"
    server.remove()
    assert not cluster.exists()
    assert not exists(inner, server_dir / "state")


@pytest.mark.skipif(not AS_ROOT, reason="only root's server runs as another user")
def test_a_closed_folder_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(UnavailableError, match="may not pass this folder") as caught:
        LocalPostgres(tmp_path / "data", state_dir=closed / "state").start()
    assert str(caught.value).startswith(("/tmp/", str(tmp_path.parents[1])))  # noqa: S108
    assert "--data-dir" in str(caught.value)


def test_a_deep_folder_gets_a_short_socket(server_dir: Path) -> None:
    deep = server_dir / ("d" * 60) / ("e" * 60) / "with space, comma and 'quote'"
    server = LocalPostgres(deep)
    with server:
        assert server.alive()
        with psycopg.connect(server.url) as connection:
            folder = Path(connection.info.host)
        assert not folder.is_relative_to(server_dir)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        cluster = Path(server.status().cluster or "")
        assert folder.stat().st_uid == cluster.stat().st_uid
    folder.chmod(0o755)
    with pytest.raises(UnavailableError, match="is not a private folder"):
        server.start()
    folder.chmod(0o700)
    server.remove()
    folder.rmdir()


def test_another_release_is_refused(own_dir: Path) -> None:
    with LocalPostgres(own_dir) as server:
        cluster = Path(server.status().cluster or "")
    version = cluster / "PG_VERSION"
    right = version.read_text()
    version.write_text("14\n")
    try:
        with pytest.raises(UnavailableError, match=r"made by PostgreSQL 14, .* restore the dump"):
            LocalPostgres(own_dir).start()
    finally:
        version.write_text(right)


def test_lost_passwords_are_replaced(own_dir: Path) -> None:
    with LocalPostgres(own_dir) as server:
        old = server.url
    (own_dir / "postgres" / "connection.json").unlink()
    with LocalPostgres(own_dir) as server:
        assert server.url != old
        assert server.alive()


def test_what_a_killed_first_start_left_is_removed(server_dir: Path) -> None:
    home = server_dir / "half" / "postgres"
    (home / "cluster.draft-old" / "base").mkdir(parents=True)
    with LocalPostgres(server_dir / "half", settings={"work_mem": "5MB"}) as server:
        assert not list(home.glob("cluster.draft-*"))
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SHOW work_mem").fetchone() == ("5MB",)


def test_a_server_that_cannot_start_says_why(own_dir: Path) -> None:
    server = LocalPostgres(own_dir, settings={"shared_buffers": "nonsense"})
    with pytest.raises(UnavailableError, match=r"ended while starting.*\n.*shared_buffers"):
        server.start()
    assert find_running(own_dir) is None
    with LocalPostgres(own_dir) as recovered:
        assert recovered.alive()


def test_a_file_in_the_way_is_named(server_dir: Path) -> None:
    (server_dir / "file").write_text("")
    with pytest.raises(UnavailableError, match=r"/file.*: (Not a directory|File exists)"):
        LocalPostgres(server_dir / "file").start()


@pytest.mark.skipif(not AS_ROOT, reason="only root's server runs as another user")
def test_root_serves_as_somebody_else(server: LocalPostgres) -> None:
    pid = server.status().pid
    owner = pwd.getpwuid(Path(f"/proc/{pid}").stat().st_uid)
    assert owner.pw_uid != 0
