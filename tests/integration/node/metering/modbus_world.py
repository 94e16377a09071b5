"""Modbus devices on real sockets and serial lines: pymodbus' server, and one that does what a test says."""

import asyncio
import os
import pty
import struct
import tty
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from api.devnet.process import free_port


def floats(*placed: tuple[int, float]) -> dict[int, int]:
    """32-bit floats as registers, high word first."""
    words: dict[int, int] = {}
    for address, value in placed:
        words[address], words[address + 1] = struct.unpack(">HH", struct.pack(">f", value))
    return words


def sunspec_words(base: int, *chain: tuple[int, int, Mapping[int, int]]) -> dict[int, int]:
    """A SunSpec map: number, length and words by offset of each model."""
    words = dict(enumerate(struct.unpack(">HH", b"SunS"), base))
    address = base + 2
    for number, length, said in chain:
        words |= dict.fromkeys(range(address, address + 2 + length), 0)
        words |= {address: number, address + 1: length}
        words |= {address + offset: value for offset, value in said.items()}
        address += 2 + length
    return words | {address: 0xFFFF, address + 1: 0}


def device(unit: int, words: Mapping[int, int]) -> SimDevice:
    """A unit with these registers, no others; the mapping may change afterwards only through a new device."""
    runs: list[SimData] = []
    for address in sorted(words):
        if runs and runs[-1].address + len(runs[-1].values) == address:  # type: ignore[arg-type]
            runs[-1].values.append(words[address])  # type: ignore[union-attr]
        else:
            runs.append(SimData(address, values=[words[address]], datatype=DataType.REGISTERS))
    return SimDevice(unit, runs)


@asynccontextmanager
async def tcp(*devices: SimDevice, framer: FramerType = FramerType.SOCKET) -> AsyncIterator[int]:
    """A TCP server; its port."""
    port = free_port()
    server = ModbusTcpServer(list(devices), framer=framer, address=("127.0.0.1", port))
    assert await server.listen()
    try:
        yield port
    finally:
        await server.shutdown()


@asynccontextmanager
async def serial(*devices: SimDevice) -> AsyncIterator[str]:
    """A serial line of two pseudo-terminals with a server at one end; the path of the other."""
    ends = [pty.openpty() for _ in range(2)]
    for master, slave in ends:
        tty.setraw(slave)
        os.set_blocking(master, False)
    loop = asyncio.get_running_loop()
    (here, _), (there, _) = ends

    def carry(source: int, target: int) -> Callable[[], None]:
        return lambda: void(os.write(target, os.read(source, 4_096)))

    loop.add_reader(here, carry(here, there))
    loop.add_reader(there, carry(there, here))
    server = ModbusSerialServer(list(devices), port=os.ttyname(ends[0][1]), framer=FramerType.RTU, baudrate=9_600)
    assert await server.listen()
    try:
        yield os.ttyname(ends[1][1])
    finally:
        await server.shutdown()
        for master, slave in ends:
            loop.remove_reader(master)
            os.close(slave)
            os.close(master)


def void(_: object) -> None: ...


class Unruly:
    """A TCP server that answers each request with what ``answer`` makes of it: chunks of bytes, or None to hang up."""

    def __init__(self, answer: Callable[[bytes], list[bytes] | None]) -> None:
        self._answer = answer
        self.requests = 0
        self._writers: set[asyncio.StreamWriter] = set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while request := await reader.readexactly(12):
                self.requests += 1
                chunks = self._answer(request)
                if chunks is None:
                    break
                for chunk in chunks:
                    writer.write(chunk)
                    await writer.drain()
                    await asyncio.sleep(0.01)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[int]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            await asyncio.sleep(0.05)
            for writer in self._writers:
                writer.close()
            await asyncio.sleep(0)
