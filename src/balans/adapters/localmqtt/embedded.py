"""The embedded broker: rumqttd inside the wheel of iotcore.

It keeps everything in memory. After a restart its clients connect again, subscribe again and
publish their retained messages again; what was under way is lost, as the protocol between hub
and head-end expects of any broker.
"""

import os
import secrets
import signal
import sys
from pathlib import Path
from typing import Any

from typing_extensions import override

from balans.adapters.localmqtt.owned import HOST, OwnedBroker, accepts, read_saved, write_private
from balans.supervision.account import service_account
from balans.supervision.child import Launch
from balans.supervision.lock import is_owned

USER = "balans"
CONFIGURATION = """\
id = 0

[router]
id = 0
max_connections = 1000
max_outgoing_packet_count = 200
# A topic filter keeps at most segments x size of what its subscribers have not read yet.
max_segment_size = 1048576
max_segment_count = 10

[v4.1]
name = "clients"
listen = "{host}:{port}"
next_connection_delay_ms = 1

[v4.1.connections]
connection_timeout_ms = 60000
max_payload_size = 8388608
max_inflight_count = 100
dynamic_filters = true

[v4.1.connections.auth]
{user} = "{password}"
"""


class LocalBroker(OwnedBroker):
    """The embedded broker of a data directory: MQTT 3.1.1 on 127.0.0.1, with a password.

    Payloads up to 8 MB, retained messages, QoS 0 to 2, wills. Other processes of the product
    find it with `find_running`.
    """

    def __init__(self, data_dir: Path, port: int = 0, *, service_user: str | None = None) -> None:
        super().__init__(_folder_of(data_dir), port)
        self._service_user = service_user
        self._password = ""

    @property
    @override
    def url(self) -> str:
        return f"mqtt://{USER}:{self._password}@{HOST}:{self.port}"

    @override
    def _prepare(self) -> Launch:
        saved = self._saved().get("password")
        self._password = saved if isinstance(saved, str) else secrets.token_urlsafe(24)
        configuration = self.folder / "broker.toml"
        text = CONFIGURATION.format(host=HOST, port=self.port, user=USER, password=self._password)
        write_private(configuration, text)
        account = service_account(self._service_user)
        drop = [str(account.uid), str(account.gid)] if account else []
        port = self.port
        return Launch(
            name="the embedded broker",
            args=[
                sys.executable,
                "-P",
                "-m",
                "balans.adapters.localmqtt.serve",
                str(configuration),
                *drop,
            ],
            cwd=Path("/"),
            log=self.folder / "server.log",
            env=_python_environment(),
            death_signal=signal.SIGTERM,
            stop_signals=((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)),
            is_ready=lambda: accepts(port),
            start_limit_s=60.0,
        )

    @override
    def _to_save(self) -> dict[str, Any]:
        return {**super()._to_save(), "password": self._password}


def find_running(data_dir: Path) -> str | None:
    """Return the address of the embedded broker that another process runs for `data_dir`."""
    folder = _folder_of(data_dir)
    if not is_owned(folder / "owner.lock"):
        return None
    found = read_saved(folder).get("url")
    return found if isinstance(found, str) else None


def _folder_of(data_dir: Path) -> Path:
    return data_dir.absolute() / "mqtt"


def _python_environment() -> dict[str, str]:
    """Return what the child's interpreter needs, without the secrets of the present one."""
    kept = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
    return {"PATH": os.defpath, **{name: os.environ[name] for name in kept if name in os.environ}}
