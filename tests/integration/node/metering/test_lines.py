"""Modbus over TCP, RTU over TCP and a serial line, against real servers; and against one that misbehaves."""

import asyncio
import json
import sys

import pytest
import uvloop
from pymodbus import FramerType

from node.metering import devices
from node.metering.device_types import BadDeviceData, Sample
from node.metering.lines import Line, NoAnswer, RequestRefused, TcpLine, line_of
from node.metering.modbus import Unit
from node.metering.modbus_address import Endpoint, parse_address
from node.metering.plan import Block
from node.metering.service import Meter
from node.metering.try_device import Unreachable, values
from tests.integration.node.metering import modbus_world
from tests.integration.node.metering.modbus_world import Unruly, floats, sunspec_words

pytestmark = pytest.mark.integration

SDM630 = dict.fromkeys(range(0x70), 0) | floats((0x34, -1_250.5), (0x48, 1_234.5), (0x4A, 0.25), (0, 230.5))
SUNSPEC = sunspec_words(
    40_000,
    (1, 66, {50: 0x4142, 51: 0x4331}),
    (203, 105, {18: 300, 22: 0, 38: 0, 39: 7, 46: 1, 47: 0, 54: 0xFFFF}),
)


async def sample(line: Line, unit: int, name: str) -> Sample:
    meter = Meter(1, bytes(20), "home", None, 1, "modbus", name, "", bytes(20), 10_000)
    await line.open()
    return await Unit(unit, meter, devices.load(name)).read(line)


async def read(address: str, name: str) -> Sample:
    endpoint, unit = parse_address(address)
    line = line_of(endpoint)
    try:
        return await sample(line, unit, name)
    finally:
        line.close()


EXPECTED = Sample(import_wh=1_234_500, export_wh=250, power_w=-1_251)


async def test_read__modbus_tcp__two_units_on_one_line() -> None:
    async with modbus_world.tcp(modbus_world.device(1, SDM630), modbus_world.device(2, SUNSPEC)) as port:
        line = line_of(Endpoint("127.0.0.1", port))
        assert isinstance(line, TcpLine)
        assert await sample(line, 1, "eastron-sdm630") == EXPECTED
        found = await sample(line, 2, "sunspec-meter")
        line.close()
    assert (found.import_wh, found.export_wh, found.power_w, found.serial) == (6_553, 0, 300, "ABC1")


async def test_read__rtu_over_tcp__is_read() -> None:
    async with modbus_world.tcp(modbus_world.device(7, SDM630), framer=FramerType.RTU) as port:
        assert await read(f"modbus-rtu-tcp://127.0.0.1:{port}/7", "eastron-sdm630") == EXPECTED


async def test_read__serial_line__is_read_and_a_unit_that_is_not_there_is_named() -> None:
    async with modbus_world.serial(modbus_world.device(3, SDM630)) as path:
        assert await read(f"modbus-rtu://{path}/3?baud=9600", "eastron-sdm630") == EXPECTED
        with pytest.raises(BadDeviceData, match=f"unit 4 at {path}"):
            await read(f"modbus-rtu://{path}/4", "eastron-sdm630")


async def test_ask__register_that_is_not_there__is_refused_by_name() -> None:
    async with modbus_world.tcp(modbus_world.device(1, SDM630)) as port:
        line = TcpLine(Endpoint("127.0.0.1", port))
        await line.open()
        with pytest.raises(RequestRefused, match="registers 9000 to 9001: illegal data address"):
            await line.ask(1, Block(4, 9_000, 2))
        assert len(await line.ask(1, Block(4, 0, 2))) == 4
        line.close()


async def test_values__of_a_person__have_units() -> None:
    async with modbus_world.tcp(modbus_world.device(1, SDM630)) as port:
        found = {value.name: value for value in await values(devices.load("eastron-sdm630"), f"127.0.0.1:{port}")}
    assert (str(found["voltage L1"].value), found["voltage L1"].unit) == ("230.5", "V")
    assert (str(found["import_wh"].value), found["import_wh"].unit) == ("1234.5", "kWh")


async def test_values__nobody_there__says_where(unused_tcp_port: int) -> None:
    with pytest.raises(Unreachable, match=f"127.0.0.1:{unused_tcp_port}"):
        await values(devices.load("eastron-sdm630"), f"127.0.0.1:{unused_tcp_port}")


@pytest.fixture
def unused_tcp_port() -> int:
    from api.devnet.process import free_port

    return free_port()


def answer(request: bytes, *, unit: int | None = None, number: bytes | None = None, short: int = 0) -> bytes:
    count = int.from_bytes(request[10:12], "big")
    body = bytes([request[6] if unit is None else unit, request[7], 2 * count]) + bytes(2 * count - short)
    return (number or request[:2]) + b"\0\0" + len(body).to_bytes(2, "big") + body


async def ask(line: TcpLine) -> bytes:
    await line.open()
    return await line.ask(1, Block(3, 0, 4))


async def test_ask__answer_in_pieces__is_put_together() -> None:
    async with Unruly(lambda request: [answer(request)[:3], answer(request)[3:9], answer(request)[9:]]).open() as port:
        line = TcpLine(Endpoint("127.0.0.1", port))
        assert await ask(line) == bytes(8)
        line.close()


@pytest.mark.parametrize(
    ("kind", "chunks"),
    [
        (NoAnswer, lambda request: []),
        (NoAnswer, lambda request: None),
        (NoAnswer, lambda request: [answer(request)[:-1]]),
        (NoAnswer, lambda request: [answer(request, number=b"\xff\xfe")]),
        (NoAnswer, lambda request: [request[:4] + b"\0\3" + bytes([1, 0x83, 6])]),
        (RequestRefused, lambda request: [request[:4] + b"\0\3" + bytes([1, 0x83, 2])]),
        (BadDeviceData, lambda request: [answer(request, unit=9)]),
        (BadDeviceData, lambda request: [answer(request, short=2)]),
        (BadDeviceData, lambda request: [b"HTTP/1.1 400 Bad Request\r\n\r\n"]),
    ],
    ids=["silent", "hangs-up", "cut", "late", "busy", "refused", "other-unit", "short", "http"],
)
async def test_ask__misbehaving_server__is_a_typed_error_and_the_next_read_works(kind: type, chunks: object) -> None:
    first = [True]

    def act(request: bytes) -> list[bytes] | None:
        if first.pop() if first else False:
            return chunks(request)  # type: ignore[operator, no-any-return]
        return [answer(request)]

    async with Unruly(act).open() as port:
        line = TcpLine(Endpoint("127.0.0.1", port), 0.2)
        with pytest.raises(BadDeviceData) as caught:
            await ask(line)
        assert type(caught.value) is kind
        assert f"unit 1 at 127.0.0.1:{port}" in str(caught.value)
        line.close()
        await asyncio.sleep(0.05)
        assert await ask(line) == bytes(8)
        line.close()


async def test_ask__answer_of_the_request_before__is_not_taken_for_this_ones() -> None:
    requests: list[bytes] = []

    def act(request: bytes) -> list[bytes]:
        requests.append(request)
        if len(requests) == 1:
            return []
        late = answer(requests[0])[:9] + b"\xff" * 8
        return [late, answer(request)]

    async with Unruly(act).open() as port:
        line = TcpLine(Endpoint("127.0.0.1", port), 0.1)
        with pytest.raises(NoAnswer):
            await ask(line)
        assert await ask(line) == bytes(8)
        line.close()


def test_read__on_uvloop__is_the_same() -> None:
    async def main() -> Sample:
        async with Unruly(lambda request: [answer(request)]).open() as port:
            return await read(f"modbus-tcp://127.0.0.1:{port}/1", "eastron-sdm630")

    assert uvloop.run(main()) == Sample()


async def test_command_line__read__shows_every_value_with_its_unit() -> None:
    async with modbus_world.tcp(modbus_world.device(1, SDM630)) as port:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "api.cli.main", "meter", "read", "--map", "eastron-sdm630"),
            *("--address", f"127.0.0.1:{port}", "--json"),
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
    found = {value["name"]: (value["value"], value["unit"]) for value in json.loads(output)}
    assert process.returncode == 0
    assert found["import_wh"] == ("1234.5", "kWh") and found["voltage L1"] == ("230.5", "V")
