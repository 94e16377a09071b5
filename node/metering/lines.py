"""Connections to the units behind one endpoint: Modbus TCP with its frames read here, serial lines through pymodbus."""

import asyncio
import struct
from typing import Final, Protocol, cast

from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from node.metering.device_types import BadDeviceData
from node.metering.modbus_address import Endpoint
from node.metering.plan import Block

READ_TIMEOUT_S: Final = 1.0
CONNECT_TIMEOUT_S: Final = 3.0
_REQUEST: Final = struct.Struct(">HHHBBHH")
_HEAD_BYTES: Final = 7
_MOST_FRAME_BYTES: Final = 260
_EXCEPTIONS: Final = {
    1: "illegal function", 2: "illegal data address", 3: "illegal data value", 4: "device failure", 5: "acknowledge",
    6: "device busy", 8: "memory parity error", 10: "gateway path unavailable", 11: "gateway target does not respond",
}  # fmt: skip
_PASSING: Final = frozenset({5, 6, 10, 11})


class NoAnswer(BadDeviceData):
    """The meter does not answer."""

    code = "meter-no-answer"
    retryable = True


class RequestRefused(BadDeviceData):
    """The meter answered with a Modbus exception."""

    code = "meter-request-refused"


class Line(Protocol):
    """A connection to the units behind one endpoint. One request at a time."""

    async def open(self) -> None:
        """Connects, unless it is connected. Raises OSError within a time limit."""

    async def ask(self, unit: int, block: Block) -> bytes:
        """The registers of a block, high byte first.

        Raises:
            NoAnswer: nothing comes within the time limit, or the connection is lost.
            RequestRefused: the unit refuses.
            BadDeviceData: what comes is no answer to this.
        """

    def close(self) -> None: ...


def line_of(endpoint: Endpoint, timeout_s: float = READ_TIMEOUT_S) -> Line:
    """The right kind of line; opens nothing."""
    return TcpLine(endpoint, timeout_s) if endpoint.transport == "modbus-tcp" else RtuLine(endpoint, timeout_s)


class _Frames(asyncio.Protocol):
    """Modbus TCP frames of one connection (MODBUS Messaging on TCP/IP Implementation Guide, 3.1)."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._rest = b""
        self._waiting: tuple[int, asyncio.Future[bytes]] | None = None
        self._due_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self.fail(NoAnswer("the connection was closed"))

    def fail(self, error: BaseException) -> None:
        if self._waiting is not None and not self._waiting[1].done():
            self._waiting[1].set_exception(error)
        self._waiting = None

    def ask(self, number: int, request: bytes, timeout_s: float) -> "asyncio.Future[bytes]":
        """The answer to a request, when it comes; NoAnswer when it does not."""
        future: asyncio.Future[bytes] = self._loop.create_future()
        self._waiting, self._due_s = (number, future), self._loop.time() + timeout_s
        if self._timer is None:  # one for many requests: it looks again while there is time left
            self._timer = self._loop.call_later(timeout_s, self._look)
        if self.transport is not None:
            self.transport.write(request)
        return future

    def _look(self) -> None:
        self._timer = None
        left_s = self._due_s - self._loop.time()
        if self._waiting is None:
            return
        if left_s > 0:
            self._timer = self._loop.call_later(left_s, self._look)
        else:
            self.fail(NoAnswer("no answer in time"))

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        while len(data) >= _HEAD_BYTES:
            size = 6 + (data[4] << 8 | data[5])
            if size > _MOST_FRAME_BYTES or size < _HEAD_BYTES + 2 or data[2] or data[3]:
                self.fail(BadDeviceData("what comes is not Modbus TCP"))
                if self.transport is not None:
                    self.transport.abort()
                data = b""
                break
            if len(data) < size:
                break
            # An answer that nobody waits for any more came too late.
            if self._waiting is not None and self._waiting[0] == data[0] << 8 | data[1]:
                future, self._waiting = self._waiting[1], None
                if not future.done():
                    future.set_result(data[6:size])
            data = data[size:]
        self._rest = data


class TcpLine:
    """A Modbus TCP connection."""

    def __init__(self, endpoint: Endpoint, timeout_s: float = READ_TIMEOUT_S) -> None:
        self._endpoint, self._timeout_s = endpoint, timeout_s
        self._frames: _Frames | None = None
        self._number = 0

    async def open(self) -> None:
        frames = self._frames
        if frames is not None and frames.transport is not None and not frames.transport.is_closing():
            return
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, self._frames = await loop.create_connection(_Frames, self._endpoint.host, self._endpoint.port)

    async def ask(self, unit: int, block: Block) -> bytes:
        frames = self._frames
        if frames is None or frames.transport is None:
            raise NoAnswer(f"unit {unit} at {self._endpoint}: not connected")
        self._number = self._number + 1 & 0xFFFF
        request = _REQUEST.pack(self._number, 0, 6, unit, block.function, block.address, block.count)
        try:
            answer = await frames.ask(self._number, request, self._timeout_s)
        except BadDeviceData as error:
            raise type(error)(f"unit {unit} at {self._endpoint}: {error}") from None
        if answer[1] == block.function and answer[2] == 2 * block.count == len(answer) - 3 and answer[0] == unit:
            return answer[3:]
        raise _not_an_answer(f"unit {unit} at {self._endpoint}", block, answer)

    def close(self) -> None:
        if self._frames is not None and self._frames.transport is not None:
            self._frames.transport.abort()


def _not_an_answer(who: str, block: Block, answer: bytes) -> BadDeviceData:
    if answer[1] == block.function | 0x80:
        return refusal(who, block, answer[2])
    return BadDeviceData(f"{who} answered function {answer[1]} with {len(answer) - 3} bytes")


def refusal(who: str, block: Block, number: int) -> BadDeviceData:
    """The error for a Modbus exception."""
    said = f"{who}: registers {block.address} to {block.address + block.count - 1}: {_EXCEPTIONS.get(number, number)}"
    return NoAnswer(said) if number in _PASSING else RequestRefused(said)


class RtuLine:
    """Modbus RTU, on a serial port or through a converter that carries its frames over TCP."""

    def __init__(self, endpoint: Endpoint, timeout_s: float = READ_TIMEOUT_S) -> None:
        self._endpoint = endpoint
        # Its own reconnecting would go on beside ours; its retries would hold up the other units.
        options = {"timeout": timeout_s, "retries": 0, "reconnect_delay": 0, "framer": FramerType.RTU}
        self._client: AsyncModbusSerialClient | AsyncModbusTcpClient
        if endpoint.transport == "modbus-rtu":
            serial = {"baudrate": endpoint.baud, "parity": endpoint.parity, "stopbits": endpoint.stop_bits}
            self._client = AsyncModbusSerialClient(endpoint.host, **serial, **options)  # type: ignore[arg-type]
        else:
            self._client = AsyncModbusTcpClient(endpoint.host, port=endpoint.port, **options)  # type: ignore[arg-type]

    async def open(self) -> None:
        if self._client.connected:
            return
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            if not await self._client.connect():
                raise ConnectionError(f"no connection to {self._endpoint}")

    async def ask(self, unit: int, block: Block) -> bytes:
        read = self._client.read_holding_registers if block.function == 3 else self._client.read_input_registers
        who = f"unit {unit} at {self._endpoint}"
        try:
            answer = await read(block.address, count=block.count, device_id=unit)
        except ModbusException as error:
            raise NoAnswer(f"{who}: {error}") from error
        if answer.isError():
            raise refusal(who, block, answer.exception_code)
        if len(answer.registers) != block.count:
            raise BadDeviceData(f"{who} answered {len(answer.registers)} registers for {block.count}")
        return struct.pack(f">{block.count}H", *answer.registers)

    def close(self) -> None:
        self._client.close()
