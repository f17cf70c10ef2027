"""``balans serve``: the web pages and their live streams, in one process."""

import signal
import socket
from typing import TYPE_CHECKING, Annotated, Any

import typer

from balans.cli.common import DataDir, new_app, require_existing, settings_of
from balans.core.errors import InputError

if TYPE_CHECKING:
    from balans.config import Settings

app = new_app("Serve the web pages.")

BACKLOG = 512
GRACE_S = 5


@app.command(epilog="Example: balans serve --host 0.0.0.0 --port 8080")
def serve(
    ctx: typer.Context,
    data_dir: DataDir = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = None,
) -> None:
    """Serve the web pages until SIGTERM or Ctrl-C."""
    settings = settings_of(ctx, data_dir)
    changed = {"host": host, "port": port}
    settings = settings.model_copy(update={k: v for k, v in changed.items() if v is not None})
    require_existing(settings)
    signal.signal(signal.SIGTERM, _leave)
    with listening_socket(settings.host, settings.port) as listener:
        _serve(settings, listener)


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `host` and `port`.

    Raises
    ------
    InputError
        If the address is not of this machine, or the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise InputError(f"--host {host} --port {port}: {error.strerror}") from error
    # Connections inherit it. Without it a body waits 40 ms for the head to be acknowledged.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _leave(_signal: int, _frame: Any) -> None:
    raise SystemExit(0)


def _serve(settings: "Settings", listener: socket.socket) -> None:
    from balans.wiring.embedded import open_parts
    from balans.wiring.server import require_tables, setup_django

    with open_parts(settings, broker=False) as parts:
        setup_django(settings, parts.database_url)
        require_tables()
        host, port = listener.getsockname()[:2]
        print(f"Pages at http://{f'[{host}]' if ':' in host else host}:{port}", flush=True)
        _run(settings, listener)


def _run(settings: "Settings", listener: socket.socket) -> None:
    import uvicorn
    from typing_extensions import override

    from balans.web.live.hub import stop_streams

    class Server(uvicorn.Server):
        @override
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            """End the open streams first, which would never end by themselves."""
            stop_streams()
            await super().shutdown(sockets)

    server = Server(
        uvicorn.Config(
            "balans.web.asgi:application",
            lifespan="off",
            ws="none",
            access_log=False,
            log_config=None,
            log_level="warning",
            server_header=False,
            proxy_headers=settings.public_url is not None,
            timeout_graceful_shutdown=GRACE_S,
        )
    )
    server.run(sockets=[listener])
