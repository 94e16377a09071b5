"""Polling: one unit's failure is its own."""

import asyncio

import pytest

from indexer.clock import SimulatedClock
from node.metering.entries import ReadingEntry
from node.metering.lines import NoAnswer
from node.metering.meter import Gateway, Inbox
from node.metering.modbus import Poller
from node.metering.modbus_address import BadMeterAddress, Endpoint, of_command_line, parse_address
from node.metering.plan import Block
from node.metering.service import Meter

ENDPOINT = Endpoint("127.0.0.1", 502)


class FakeLine:
    """Units whose registers are 0, but for the dead ones."""

    def __init__(self, dead: set[int], *, is_reachable: bool = True) -> None:
        self.dead, self.is_reachable = dead, is_reachable
        self.asked: list[int] = []

    async def open(self) -> None:
        if not self.is_reachable:
            raise ConnectionRefusedError("refused")

    async def ask(self, unit: int, block: Block) -> bytes:
        if not self.asked or self.asked[-1] != unit:
            self.asked.append(unit)
        if unit in self.dead:
            raise NoAnswer(f"unit {unit}")
        return bytes(2 * block.count)

    def close(self) -> None: ...


def meter(unit: int) -> Meter:
    address = f"modbus-tcp://{ENDPOINT}/{unit}"
    return Meter(unit, bytes(20), "home", None, 1, "modbus", "eastron-sdm120", address, bytes(20), 10_000)


async def poll_once(line: FakeLine, times: int = 1) -> list[int]:
    """Meter numbers of the readings handed in."""
    inbox = Inbox()
    async with asyncio.TaskGroup() as group:
        poller = Poller(group, Gateway(bytes(31) + b"\x01"), inbox, SimulatedClock(), 3_600, opens=lambda _: line)
        poller.update([meter(unit) for unit in (1, 2, 3)])
        for _ in range(times):
            await poller.read_all(line, ENDPOINT)
        poller.update([])
    entries = [delivery.entry for delivery in await asyncio.wait_for(inbox.take(10), 1)]
    return [entry.meter_id for entry in entries if isinstance(entry, ReadingEntry)]


async def test_read_all__one_dead_unit__the_others_are_read() -> None:
    line = FakeLine({2})
    assert await poll_once(line) == [1, 3]


async def test_read_all__dead_unit_again__is_not_asked_before_it_is_due() -> None:
    line = FakeLine({2})
    await poll_once(line, times=2)
    assert line.asked == [1, 2, 3, 1, 3]


async def test_read_all__endpoint_away__asks_no_unit() -> None:
    line = FakeLine(set(), is_reachable=False)
    with pytest.raises(TimeoutError):
        await poll_once(line)
    assert line.asked == []


async def test_all_asked__one_line_still_silent__waits_for_it() -> None:
    answer = asyncio.Event()

    class SlowLine(FakeLine):
        def __init__(self, endpoint: Endpoint) -> None:
            super().__init__(set(), is_reachable=False)
            assert endpoint == ENDPOINT

        async def open(self) -> None:
            await answer.wait()
            await super().open()

    async with asyncio.TaskGroup() as group:
        poller = Poller(group, Gateway(bytes(31) + b"\x01"), Inbox(), SimulatedClock(), 3_600, opens=SlowLine)
        await poller.all_asked()
        poller.update([meter(1)])
        asked = asyncio.create_task(poller.all_asked())
        await asyncio.sleep(0.05)
        assert not asked.done()
        answer.set()
        await asyncio.wait_for(asked, 1)
        poller.update([])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("modbus-tcp://10.0.0.5:5020/17", (Endpoint("10.0.0.5", 5_020), 17)),
        ("modbus-tcp://plc/1", (Endpoint("plc", 502), 1)),
        ("modbus-rtu-tcp://plc:4001/2", (Endpoint("plc", 4_001, "modbus-rtu-tcp"), 2)),
        ("modbus-rtu:///dev/ttyUSB0/3", (Endpoint("/dev/ttyUSB0", 0, "modbus-rtu"), 3)),
        (
            "modbus-rtu:///dev/serial/by-id/x/3?baud=19200&parity=e&stop=2",
            (Endpoint("/dev/serial/by-id/x", 0, "modbus-rtu", 19_200, "E", 2), 3),
        ),
    ],
)
def test_parse_address__well_formed__gives_endpoint_and_unit(text: str, expected: tuple[Endpoint, int]) -> None:
    assert parse_address(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "modbus-tcp://h/0",
        "modbus-tcp://h/248",
        "tcp://h/1",
        "modbus-tcp:///1",
        "modbus-tcp://h",
        "modbus-tcp://h:x/1",
        "modbus-rtu://host/dev/ttyUSB0/1",
        "modbus-rtu:///dev/../etc/1",
        "modbus-rtu:///dev/ttyUSB0/1?baud=7",
        "modbus-rtu:///dev/ttyUSB0/1?parity=X",
        "modbus-rtu:///dev/ttyUSB0/1?bits=7",
    ],
)
def test_parse_address__otherwise__is_refused(text: str) -> None:
    with pytest.raises(BadMeterAddress):
        parse_address(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.5:5020", (Endpoint("10.0.0.5", 5_020), 9)),
        ("/dev/ttyUSB0", (Endpoint("/dev/ttyUSB0", 0, "modbus-rtu", 19_200, "E"), 9)),
        ("modbus-tcp://h/3", (Endpoint("h", 502), 3)),
    ],
)
def test_of_command_line__what_people_type__is_understood(text: str, expected: tuple[Endpoint, int]) -> None:
    assert of_command_line(text, 9, 19_200, "E") == expected
