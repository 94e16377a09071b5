"""Polling: one unit's failure is its own."""

import asyncio

import pytest

from indexer.clock import SimulatedClock
from node.metering import modbus
from node.metering.devices import Device, Sample
from node.metering.meter import Gateway, Inbox
from node.metering.modbus import BadMeterAddress, Endpoint, NoAnswer, Poller, parse_address
from node.metering.service import Meter

ENDPOINT = Endpoint("127.0.0.1", 502)


class FakeLine:
    """Units that answer with their number as import, but for the dead ones."""

    def __init__(self, dead: set[int], *, is_reachable: bool = True) -> None:
        self.dead, self.is_reachable = dead, is_reachable
        self.asked: list[int] = []

    async def open(self) -> None:
        if not self.is_reachable:
            raise ConnectionRefusedError("refused")

    async def read(self, unit: int, device: Device) -> Sample:
        self.asked.append(unit)
        if unit in self.dead:
            raise NoAnswer(f"unit {unit}")
        return Sample(import_wh=unit)

    def close(self) -> None: ...


def meter(unit: int) -> Meter:
    address = f"modbus-tcp://{ENDPOINT}/{unit}"
    return Meter(unit, bytes(20), "home", None, 1, "modbus", "eastron-sdm120", address, bytes(20), 10_000)


async def poll_once(line: FakeLine, times: int = 1) -> list[int]:
    """Meter numbers of the readings handed in."""
    inbox = Inbox()
    async with asyncio.TaskGroup() as group:
        poller = Poller(group, Gateway(bytes(31) + b"\x01"), inbox, SimulatedClock(), 3_600)
        poller.update([meter(unit) for unit in (1, 2, 3)])
        for _ in range(times):
            await poller.read_all(line, ENDPOINT)
        poller.update([])
    return [delivery.signed.reading.meter_id for delivery in await asyncio.wait_for(inbox.take(10), 1)]


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


async def test_all_asked__one_line_still_silent__waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = asyncio.Event()

    class SlowLine(FakeLine):
        def __init__(self, endpoint: Endpoint) -> None:
            super().__init__(set(), is_reachable=False)

        async def open(self) -> None:
            await answer.wait()
            await super().open()

    monkeypatch.setattr(modbus, "TcpLine", SlowLine)
    async with asyncio.TaskGroup() as group:
        poller = Poller(group, Gateway(bytes(31) + b"\x01"), Inbox(), SimulatedClock(), 3_600)
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
    ],
)
def test_parse_address__well_formed__gives_endpoint_and_unit(text: str, expected: tuple[Endpoint, int]) -> None:
    assert parse_address(text) == expected


@pytest.mark.parametrize(
    "text", ["modbus-tcp://h/0", "modbus-tcp://h/248", "tcp://h/1", "modbus-tcp:///1", "modbus-tcp://h"]
)
def test_parse_address__otherwise__is_refused(text: str) -> None:
    with pytest.raises(BadMeterAddress):
        parse_address(text)
