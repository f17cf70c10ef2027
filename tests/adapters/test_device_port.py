"""Telegrams from a serial line (a pseudo terminal) and from TCP."""

import asyncio
import contextlib
import os
import pty
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.adapters.test_gateway import until

from balans.adapters.devices import definition_at, parse_port
from balans.adapters.devices.port import Port, PortAddress, Splitter
from balans.core.errors import InputError

TELEGRAMS = [
    sample.payload.replace(b"\n", b"\r\n") for sample in definition_at("dsmr-p1", Path()).samples
]
STREAM = b"".join(TELEGRAMS)


def whole(data: bytes) -> bytes:
    return data.strip() + b"\r\n"


def test_telegrams_are_cut_out_of_the_stream() -> None:
    splitter = Splitter()
    found = splitter.feed(b"0(001.0*kWh)\r\n!ABCD\r\n" + STREAM + b"/half")
    assert found == [whole(one) for one in TELEGRAMS]


@given(st.lists(st.integers(1, 700), min_size=1))
def test_it_does_not_matter_how_the_stream_is_cut(sizes: list[int]) -> None:
    splitter, found, at = Splitter(), [], 0
    while at < len(STREAM):
        for size in sizes:
            found += splitter.feed(STREAM[at : at + size])
            at += size
    assert found == [whole(one) for one in TELEGRAMS]


@given(st.lists(st.binary(max_size=3000), max_size=30))
def test_noise_is_not_kept_for_ever(noise: list[bytes]) -> None:
    splitter = Splitter()
    for data in noise:
        splitter.feed(data)
        assert len(splitter._held) <= 16_384
    splitter.feed(b"/" + b"x" * 20_000)
    assert splitter.feed(TELEGRAMS[0])[-1:] == [whole(TELEGRAMS[0])]


@contextlib.asynccontextmanager
async def reading(address: PortAddress) -> AsyncIterator[tuple[Port, list[bytes]]]:
    found: list[bytes] = []
    port = Port(address, found.append)
    task = asyncio.create_task(port.run())
    yield port, found
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("speed", [9600, 115_200])
async def test_a_serial_line(speed: int) -> None:
    ours, theirs = pty.openpty()
    address = parse_port(os.ttyname(theirs), speed, "port")
    async with reading(address) as (port, found):
        await asyncio.sleep(0.2)  # a line that nobody has opened keeps what is written, and echoes
        for at in range(0, len(STREAM), 100):
            os.write(ours, STREAM[at : at + 100])
            await asyncio.sleep(0)
        await until(lambda: len(found) == len(TELEGRAMS), "telegrams")
        assert found == [whole(one) for one in TELEGRAMS]
        assert port.connected
    os.close(ours)
    os.close(theirs)


async def test_tcp_that_goes_away_is_opened_again() -> None:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    number = server.sockets[0].getsockname()[1]
    async with reading(parse_port(f"tcp://127.0.0.1:{number}", 115_200, "port")) as (_, found):
        await until(lambda: len(found) >= 2 * len(TELEGRAMS), "telegrams of two connections")
    server.close()
    await server.wait_closed()
    assert found[: len(TELEGRAMS)] == [whole(one) for one in TELEGRAMS]


async def test_a_line_that_is_not_there_is_tried_again(tmp_path: Path) -> None:
    async with reading(PortAddress(str(tmp_path / "no"))) as (port, found):
        await asyncio.sleep(0.1)
        assert not port.connected
        assert not found
        assert port.shown.endswith("/no")


@pytest.mark.parametrize(
    "text", ["", "ttyUSB0", "tcp://p1", "tcp://p1:x", "tcp://p1:23/x", "http://p1:1"]
)
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"device\[0\].port: .* expected /dev/… or tcp"):
        parse_port(text, 115_200, "device[0].port")
