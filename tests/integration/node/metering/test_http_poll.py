"""Meters with an HTTP interface, on a real server."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from indexer.clock import SimulatedClock
from node.metering import devices
from node.metering.device_types import BadDeviceData
from node.metering.entries import FaultEntry, ReadingEntry
from node.metering.fault_kinds import FaultKind
from node.metering.http_poll import HttpPoller, Target, open_session
from node.metering.lines import NoAnswer
from node.metering.meter import Gateway, Inbox
from node.metering.modbus_address import BadMeterAddress
from node.metering.service import Meter
from node.metering.try_device import values

pytestmark = pytest.mark.integration

PHASE = {"power": 100.5, "total": 1_000.25, "total_returned": 3}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[str, Handler], Awaitable[str]]]:
    runners = []

    async def started(path: str, handler: Handler) -> str:
        app = web.Application()
        app.router.add_get(path, handler)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        runners.append(runner)
        return f"127.0.0.1:{runner.addresses[0][1]}"

    yield started
    for runner in runners:
        await runner.cleanup()


def meter(address: str, device: str = "shelly-gen1-3em-http") -> Meter:
    return Meter(5, bytes(20), "home", None, 1, "poll", device, address, bytes(20), 50_000)


Serve = Callable[[str, Handler], Awaitable[str]]


async def test_values__shelly__sums_the_phases_for_a_person(serve: Serve) -> None:
    async def status(request: web.Request) -> web.Response:
        expected = "Basic " + base64.b64encode(b"me:se cret").decode()
        if request.headers.get("Authorization") != expected:
            return web.Response(status=401)
        return web.json_response({"emeters": [PHASE] * 3})

    host = await serve("/status", status)
    found = await values(devices.load("shelly-gen1-3em-http"), f"http://me:se%20cret@{host}")
    assert [str(value.value) for value in found[:3]] == ["1000.25", "3", "100.5"]
    with pytest.raises(BadDeviceData, match="answered 401"):
        await values(devices.load("shelly-gen1-3em-http"), f"http://{host}")


async def test_run__two_meters_one_silent__the_other_is_read_and_it_is_named(serve: Serve) -> None:
    async def status(request: web.Request) -> web.Response:
        assert request.headers["X-Key"] == "hidden"
        return web.json_response({"emeters": [PHASE] * 3})

    host = await serve("/status", status)
    inbox = Inbox()
    poller = HttpPoller(Gateway(bytes(31) + b"\x01"), inbox, SimulatedClock(), 0.1, secrets={host: {"X-Key": "hidden"}})
    silent = Meter(6, bytes(20), "home", None, 1, "poll", "tasmota-http", "http://127.0.0.1:1", bytes(20), 9)
    broken = Meter(7, bytes(20), "home", None, 1, "poll", "nothing", "http://127.0.0.1:1", bytes(20), 9)
    poller.update([meter(f"http://{host}"), silent, broken])
    task = asyncio.create_task(poller.run())
    await asyncio.wait_for(poller.all_asked(), 10)
    entries = [delivery.entry for delivery in await inbox.take(9)]
    async with asyncio.timeout(20):
        while not isinstance(entries[-1], FaultEntry):
            entries += [delivery.entry for delivery in await inbox.take(1)]
    task.cancel()
    assert isinstance(entries[0], ReadingEntry) and (entries[0].meter_id, entries[0].import_wh) == (5, 3_000)
    assert (entries[-1].meter_id, entries[-1].kind) == (6, FaultKind.SILENT)
    assert {entry.meter_id for entry in entries} == {5, 6}


@pytest.mark.parametrize(
    ("kind", "said", "status"),
    [
        (BadDeviceData, "not json", 200),
        (BadDeviceData, '{"emeters": []}', 200),
        (BadDeviceData, "[" * 70_000, 200),
        (BadDeviceData, "", 302),
        (BadDeviceData, "", 500),
        (NoAnswer, "", 503),
    ],
)
async def test_ask__bad_answers__are_typed(serve: Serve, kind: type, said: str, status: int) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=said, status=status, headers={"Location": "http://127.0.0.1:1/"})

    host = await serve("/status", answer)
    with pytest.raises(BadDeviceData) as caught:
        await values(devices.load("shelly-gen1-3em-http"), f"http://{host}")
    assert type(caught.value) is kind


@pytest.mark.parametrize("address", ["ftp://h", "http://", "h", "http://h?x=1", "http://h:x"])
def test_target__other_address__is_refused_without_showing_a_password(address: str) -> None:
    with pytest.raises(BadMeterAddress):
        Target.of(address, "/status")
    with pytest.raises(BadMeterAddress) as caught:
        Target.of("ftp://me:secret@h", "/status")
    assert "secret" not in str(caught.value)


async def test_open_session__has_a_time_limit() -> None:
    async with open_session() as session:
        assert session.timeout.total == 5.0
