"""A port that a meter writes telegrams to by itself: a serial line, or TCP as adapters offer it."""

import asyncio
import contextlib
import logging
import os
import termios
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from balans.core.errors import InputError

TELEGRAM_MAX = 16_384
BACKOFF_S = (0.5, 30.0)
SILENT_S = 120.0
"""A meter writes every ten seconds at least; a line that is silent for so long is opened again."""
SPEEDS = {9600: termios.B9600, 115200: termios.B115200}
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PortAddress:
    """Where telegrams come from.

    path
        Of a serial line; "" for TCP.
    speed
        Of the line [bit/s]: 9600 with 7 bits and parity before version 4, 115200 with 8 bits since.
    host, port
        Of TCP.
    """

    path: str = ""
    speed: int = 115_200
    host: str = ""
    port: int = 0


def parse_port(text: str, speed: int, where: str) -> PortAddress:
    """Return the address written as ``/dev/ttyUSB0`` or ``tcp://host:port``.

    Raises
    ------
    InputError
        Naming `where` it stands.

    >>> parse_port("tcp://p1:23", 115200, "port").port
    23
    """
    wrong = InputError(f"{where}: {text!r}: expected /dev/… or tcp://host:port")
    if text.startswith("/dev/") and text.isprintable():
        return PortAddress(text, speed)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme != "tcp" or not host or not port or parts.path not in {"", "/"}:
        raise wrong
    return PortAddress(host=host, port=port)


class Splitter:
    """Cuts a stream of bytes into telegrams, from ``/`` to the line that begins with ``!``."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes as they come; return the telegrams that have become whole."""
        self._held += data
        telegrams = []
        while (telegram := self._next()) is not None:
            telegrams.append(telegram)
        if len(self._held) > TELEGRAM_MAX:
            self._held = b""
        return telegrams

    def _next(self) -> bytes | None:
        start = self._held.find(b"/")
        self._held = self._held[start:] if start >= 0 else b""
        mark = self._held.find(b"\n!")
        end = self._held.find(b"\n", mark + 1) if mark >= 0 else -1
        if end < 0:
            return None
        telegram, self._held = self._held[: end + 1], self._held[end + 1 :]
        return telegram


class Port:
    """Reads telegrams for ever, and opens the port again whenever it is lost.

    Parameters
    ----------
    on_telegram
        Called with each whole telegram.
    """

    def __init__(self, address: PortAddress, on_telegram: Callable[[bytes], None]) -> None:
        self.address = address
        self.connected = False
        self._on_telegram = on_telegram

    async def run(self) -> None:
        """Read until cancelled."""
        pause_s, told = BACKOFF_S[0], False
        while True:
            try:
                async with _opened(self.address) as reader:
                    log.info("%s: open", self.shown)
                    told = False
                    if await self._read(reader):
                        pause_s = BACKOFF_S[0]
            except (OSError, termios.error, TimeoutError) as error:
                level = logging.DEBUG if told else logging.WARNING
                log.log(level, "%s: %s", self.shown, str(error) or "silent")
                told = True
            finally:
                self.connected = False
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, BACKOFF_S[1])

    @property
    def shown(self) -> str:
        """The address as people write it."""
        return self.address.path or f"tcp://{self.address.host}:{self.address.port}"

    async def _read(self, reader: asyncio.StreamReader) -> bool:
        """Read until the other end is gone; return whether a telegram came."""
        splitter, heard = Splitter(), False
        while data := await asyncio.wait_for(reader.read(4096), SILENT_S):
            for telegram in splitter.feed(data):
                self.connected = heard = True
                self._on_telegram(telegram)
        return heard


@contextlib.asynccontextmanager
async def _opened(address: PortAddress) -> AsyncIterator[asyncio.StreamReader]:
    if not address.path:
        reader, writer = await asyncio.wait_for(
            asyncio.open_connection(address.host, address.port), BACKOFF_S[1]
        )
        try:
            yield reader
        finally:
            writer.close()
        return
    line = os.fdopen(_open_line(address), "rb", buffering=0)
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, line)
    try:
        yield reader
    finally:
        transport.close()


def _open_line(address: PortAddress) -> int:
    """Return a serial line, raw, at its speed.

    Raises
    ------
    OSError, termios.error
        If it is not there, or no serial line.
    """
    fd = os.open(address.path, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        speed = SPEEDS[address.speed]
        seven = address.speed == 9600
        size = termios.CS7 | termios.PARENB if seven else termios.CS8
        control = size | termios.CREAD | termios.CLOCAL
        special = termios.tcgetattr(fd)[6]
        termios.tcsetattr(fd, termios.TCSANOW, [0, 0, control, 0, speed, speed, special])
    except BaseException:
        os.close(fd)
        raise
    return fd
