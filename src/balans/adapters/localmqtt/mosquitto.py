"""The system's mosquitto, configured as in production, as a child process."""

import shutil
import signal
from pathlib import Path

from typing_extensions import override

from balans.adapters.localmqtt.owned import HOST, OwnedBroker, accepts, write_private
from balans.core.errors import UnavailableError
from balans.supervision.account import Account, first_closed_folder, service_account
from balans.supervision.child import Launch

PLACES = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/sbin"
CONFIGURATION = """\
listener {port} {host}
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_interval 30
# The default of 1000 drops messages for a head-end that is away.
max_queued_messages 0
max_inflight_messages 100
max_packet_size 8388608
log_dest stdout
log_type error
log_type warning
log_type notice
"""


class Mosquitto(OwnedBroker):
    """The system's mosquitto on 127.0.0.1, with persistence in `data_dir`; no password."""

    def __init__(self, data_dir: Path, port: int = 0, *, service_user: str | None = None) -> None:
        super().__init__(data_dir, port)
        self._service_user = service_user

    @override
    def _prepare(self) -> Launch:
        program = mosquitto_program()
        if program is None:
            raise UnavailableError("mosquitto is not installed: sudo apt-get install mosquitto")
        account = service_account(self._service_user)
        store = _make_store(self.folder, account)
        configuration = self.folder / "mosquitto.conf"
        write_private(configuration, CONFIGURATION.format(port=self.port, host=HOST, folder=store))
        if account:
            account.take(configuration)
        port = self.port
        return Launch(
            name="mosquitto",
            args=[program, "-c", str(configuration)],
            cwd=Path("/"),
            log=self.folder / "server.log",
            account=account,
            death_signal=signal.SIGTERM,
            stop_signals=((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)),
            is_ready=lambda: accepts(port),
            start_limit_s=60.0,
        )


def start_mosquitto(data_dir: Path, port: int = 0) -> Mosquitto:
    """Start the system's mosquitto and return it; the caller stops it.

    Raises
    ------
    UnavailableError
        It is not installed, the port is taken, or it did not come up.
    """
    broker = Mosquitto(data_dir, port)
    broker.start()
    return broker


def mosquitto_program() -> str | None:
    """Return the path of the system's mosquitto, if it has one."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path=PLACES)


def _make_store(folder: Path, account: Account | None) -> Path:
    """Make the folder of mosquitto's own data, private to the user it runs as."""
    store = folder / "store"
    closed = first_closed_folder(store, account)
    if closed is not None and account is not None:
        raise UnavailableError(f"{closed}: user {account.name} may not pass this folder")
    if not store.exists():
        store.mkdir(mode=0o700)
        if account:
            account.take(store)
    return store
