"""Database and broker of a server process: the configured ones, else embedded ones.

The first process that needs an embedded part starts and owns it; others of the same data
directory join. When the owner ends, so does the part: where processes come and go one by one,
configure a database and a broker of the system.
"""

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from balans.adapters import localmqtt, localpg
from balans.adapters.localpg.client import masked, server_version
from balans.config import Settings
from balans.core.errors import InputError, UnavailableError
from balans.protocols.address import parse_broker_address
from balans.supervision.lock import OwnedElsewhereError

log = logging.getLogger(__name__)

JOIN_LIMIT_S = 300.0
POLL_S = 0.1


def _quiet(_message: str) -> None:
    """Take note of nothing."""


class Parts:
    """The database and the broker a process uses; a context manager.

    Parameters
    ----------
    database, broker
        Which of the two are needed.
    create_user
        Whether a system user may be made for the database, when started as root on a system
        without one that fits.
    progress
        Told what takes time.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        database: bool = True,
        broker: bool = True,
        create_user: bool = False,
        progress: Callable[[str], None] = _quiet,
    ) -> None:
        self.settings = settings
        self.postgres: localpg.LocalPostgres | None = None
        self.local_broker: localmqtt.LocalBroker | None = None
        self._wanted = (database, broker)
        self._create_user = create_user
        self._progress = progress
        self._started = ExitStack()
        self._database_url = self._mqtt_url = ""

    @property
    def database_url(self) -> str:
        """Address of the database, with password."""
        return self._database_url

    @property
    def mqtt_url(self) -> str:
        """Address of the broker, with password."""
        return self._mqtt_url

    def __enter__(self) -> Self:
        """Start or join what is needed.

        Raises
        ------
        InputError
            A configured address is wrong or does not answer; the message names the variable.
        UnavailableError
            An embedded part did not come up.
        """
        try:
            database, broker = self._wanted
            if database:
                self._database_url = self._open_database()
            if broker:
                self._mqtt_url = self._open_broker()
        except BaseException:
            self._started.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._started.close()

    def _open_database(self) -> str:
        configured = self.settings.database_url
        if configured is not None:
            url = configured.get_secret_value()
            try:
                server_version(url)
            except UnavailableError as error:
                raise InputError(f"BALANS_DATABASE_URL: {masked(url)}: {error}") from error
            return url
        return self._start_or_join(self._start_database, self._running_database)

    def _open_broker(self) -> str:
        configured = self.settings.mqtt_url
        if configured is not None:
            url = configured.get_secret_value()
            parse_broker_address(url)
            return url
        return self._start_or_join(
            self._start_broker, lambda: localmqtt.find_running(self.settings.data_dir)
        )

    def _start_or_join(self, start: Callable[[], str], running: Callable[[], str | None]) -> str:
        """Become the owner, or join the one there is; owners may end meanwhile, so try again."""
        deadline = time.monotonic() + JOIN_LIMIT_S
        while True:
            url = running()
            if url is not None:
                return url
            try:
                return start()
            except OwnedElsewhereError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(POLL_S)

    def _start_database(self) -> str:
        server = localpg.LocalPostgres(
            self.settings.data_dir,
            localpg.Options(
                service_user=self.settings.service_user,
                create_user=self._create_user,
                progress=self._progress,
            ),
        )
        self._started.enter_context(server)
        server.watch(log.warning)
        self.postgres = server
        return server.url

    def _running_database(self) -> str | None:
        """Return the address of a running embedded server once it answers."""
        url = localpg.find_running(self.settings.data_dir)
        if url is None:
            return None
        try:
            server_version(url)
        except UnavailableError:
            return None
        return url

    def _start_broker(self) -> str:
        broker = localmqtt.LocalBroker(
            self.settings.data_dir, service_user=self.settings.service_user
        )
        self._started.enter_context(broker)
        broker.watch(log.warning)
        self.local_broker = broker
        return broker.url


def open_parts(
    settings: Settings,
    *,
    database: bool = True,
    broker: bool = True,
    create_user: bool = False,
    progress: Callable[[str], None] = _quiet,
) -> Parts:
    """Return the parts of `settings`, to be used as a context manager; see `Parts`."""
    return Parts(
        settings, database=database, broker=broker, create_user=create_user, progress=progress
    )
