"""What a daemon shows to those who watch it: health as a page or a file, figures for Prometheus."""

import contextlib
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from typing_extensions import override

from balans.core.errors import InputError

Troubles = Callable[[], Sequence[str]]
"""Returns what keeps the process from its work now; nothing when all is well."""
TEXT = "text/plain; charset=utf-8"


class Monitor:
    """Serves ``/healthz`` and ``/metrics``; a context manager.

    Parameters
    ----------
    registry
        The figures.
    troubles
        Called from another thread at every request for health.
    port
        Port on `host`; None serves nothing, 0 takes a free one.
    health_file
        Where `beat` writes the health; its age tells whether the process lives.

    Raises
    ------
    InputError
        If the port is taken.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        troubles: Troubles,
        port: int | None = None,
        health_file: Path | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self._troubles = troubles
        self._health_file = health_file
        self._server = None if port is None else _listen(host, port, registry, troubles)

    @property
    def port(self) -> int | None:
        """The port that is served."""
        return None if self._server is None else int(self._server.server_address[1])

    def beat(self) -> None:
        """Write the health to the file; a disk that refuses is no reason to stop."""
        if self._health_file is not None:
            with contextlib.suppress(OSError):
                draft = self._health_file.with_suffix(".tmp")
                draft.write_text(_health(self._troubles()), encoding="utf-8")
                draft.replace(self._health_file)

    def __enter__(self) -> Self:
        if self._server is not None:
            threading.Thread(target=self._server.serve_forever, name="monitor", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        if self._health_file is not None:
            self._health_file.unlink(missing_ok=True)


def _health(troubles: Sequence[str]) -> str:
    return "\n".join(troubles or ["ok"]) + "\n"


def _listen(
    host: str, port: int, registry: CollectorRegistry, troubles: Troubles
) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer with health or figures."""
            if self.path == "/healthz":
                found = troubles()
                self._answer(503 if found else 200, TEXT, _health(found).encode())
            elif self.path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
            else:
                self._answer(404, TEXT, b"there are /healthz and /metrics\n")

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, format: str, *args: Any) -> None:
            """Log no requests."""

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise InputError(f"metrics port {port}: {error.strerror}") from error
    server.daemon_threads = True
    return server
