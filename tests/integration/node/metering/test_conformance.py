"""Every driver against the kit that a new one must pass; and the kit against drivers that do it wrong."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from api.devnet.broker import BrokerServer
from indexer.clock import SimulatedClock
from node.bus import stop_if_cancelled
from node.metering import conformance
from node.metering.blueprint import LineDriver
from node.metering.conformance import Bench, Check
from node.metering.device_types import Sample
from node.metering.http_poll import HttpPoller
from node.metering.meter import Driver, Gateway, Inbox
from node.metering.modbus import Poller
from node.metering.mqtt import Listener, client
from node.metering.service import Meter
from tests.integration.node.metering.modbus_world import Unruly, floats

pytestmark = pytest.mark.integration


class Rig:
    """What the device says now: a sample, nonsense (""), or nothing (None)."""

    driver, device, address, stray_address = "", "", "", ""

    def __init__(self) -> None:
        self.said: Sample | str | None = Sample()

    def meter(self, meter_id: int) -> Meter:
        return Meter(meter_id, bytes(20), "home", None, 1, self.driver, self.device, self.address, bytes(20), 10**6)

    def stray(self, meter_id: int) -> Meter:
        where = (self.driver, "no-such-device", self.stray_address)
        return Meter(meter_id, bytes(20), "home", None, 1, *where, bytes(20), 10**6)

    async def show(self, sample: Sample) -> None:
        self.said = sample

    async def babble(self) -> None:
        self.said = ""

    async def fall_silent(self) -> None:
        self.said = None


class LineRig(Rig):
    driver, stray_address = "line", "line://nowhere"

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator["LineRig"]:
        rig, writers = cls(), set[asyncio.StreamWriter]()

        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.add(writer)
            if isinstance(rig.said, Sample):
                writer.write(f"{rig.said.import_wh} {rig.said.export_wh} {rig.said.power_w}\n".encode())
            elif rig.said is not None:
                writer.write(b"what?\n")
            else:
                await asyncio.Event().wait()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        rig.address = f"line://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield rig
        finally:
            server.close()
            await asyncio.sleep(0.05)
            for writer in writers:
                writer.close()


class ModbusRig(Rig):
    driver, device, stray_address = "modbus", "eastron-sdm120", "modbus-tcp://h/0"

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator["ModbusRig"]:
        rig = cls()

        def answer(request: bytes) -> list[bytes] | None:
            if rig.said is None:
                return []
            said = rig.said if isinstance(rig.said, Sample) else Sample()
            nonsense = float("inf") if rig.said == "" else said.import_wh / 1_000
            words = floats((0x0C, said.power_w), (0x48, nonsense), (0x4A, said.export_wh / 1_000))
            address, count = int.from_bytes(request[8:10], "big"), int.from_bytes(request[10:12], "big")
            data = b"".join(words[place].to_bytes(2, "big") for place in range(address, address + count))
            body = request[6:8] + bytes([len(data)]) + data
            return [request[:4] + len(body).to_bytes(2, "big") + body]

        async with Unruly(answer).open() as port:
            rig.address = f"modbus-tcp://127.0.0.1:{port}/1"
            yield rig


class HttpRig(Rig):
    driver, device, stray_address = "poll", "shelly-pro-3em-http", "ftp://h"

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator["HttpRig"]:
        rig = cls()

        async def status(request: web.Request) -> web.Response:
            if rig.said is None:
                return web.Response(status=503)
            if not isinstance(rig.said, Sample):
                return web.Response(text="{}")
            totals = {"total_act": rig.said.import_wh, "total_act_ret": rig.said.export_wh}
            return web.json_response({"emdata:0": totals, "em:0": {"total_act_power": rig.said.power_w}})

        app = web.Application()
        app.router.add_get("/rpc/Shelly.GetStatus", status)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        rig.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield rig
        finally:
            await runner.cleanup()


class MqttRig(Rig):
    """A Shelly that publishes twice a second."""

    driver, device, address, stray_address = "mqtt", "shelly-emdata", "shelly", "other"

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url

    async def publish(self) -> None:
        async with client(self.url, "shelly", is_persistent=False) as mqtt:
            while True:
                stop_if_cancelled()
                said: dict[str, Any] = {}
                power: dict[str, Any] = {}
                if isinstance(self.said, Sample):
                    said = {"total_act": self.said.import_wh, "total_act_ret": self.said.export_wh}
                    power = {"total_act_power": self.said.power_w}
                await mqtt.publish("shelly/status/em:0", json.dumps(power), qos=1)
                await mqtt.publish("shelly/status/emdata:0", json.dumps(said), qos=1)
                await asyncio.sleep(0.05)


def line_bench(build: Callable[..., Driver] = LineDriver) -> Bench:
    def made(_: object, gateway: Gateway, inbox: Inbox, clock: SimulatedClock, group: asyncio.TaskGroup) -> Driver:
        driver = build(gateway, inbox, clock, 0.05)
        group.create_task(driver.run())  # type: ignore[attr-defined]
        return driver

    return Bench(LineRig.open, made)


def modbus_bench() -> Bench:
    def made(_: object, gateway: Gateway, inbox: Inbox, clock: SimulatedClock, group: asyncio.TaskGroup) -> Driver:
        return Poller(group, gateway, inbox, clock, 0.05)

    return Bench(ModbusRig.open, made)


def http_bench() -> Bench:
    def made(_: object, gateway: Gateway, inbox: Inbox, clock: SimulatedClock, group: asyncio.TaskGroup) -> Driver:
        driver = HttpPoller(gateway, inbox, clock, 0.05)
        group.create_task(driver.run())
        return driver

    return Bench(HttpRig.open, made)


def mqtt_bench(folder: Path) -> Bench:
    @asynccontextmanager
    async def open_rig() -> AsyncIterator[MqttRig]:
        server = BrokerServer(folder / "broker.log")
        await asyncio.to_thread(server.start)
        rig = MqttRig(server.url)
        task = asyncio.create_task(rig.publish())
        try:
            yield rig
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await asyncio.to_thread(server.stop)

    def made(rig: Any, gateway: Gateway, inbox: Inbox, clock: SimulatedClock, group: asyncio.TaskGroup) -> Driver:
        driver = Listener(rig.url, gateway, inbox, clock)
        group.create_task(driver.run())
        return driver

    return Bench(open_rig, made, asks=False)


@pytest.mark.parametrize("one", conformance.CHECKS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("driver", ["blueprint", "modbus", "http", "mqtt"])
async def test_driver__conforms(driver: str, one: Check, tmp_path: Path) -> None:
    benches = {"blueprint": line_bench, "modbus": modbus_bench, "http": http_bench}
    await conformance.check(mqtt_bench(tmp_path) if driver == "mqtt" else benches[driver](), one)


class Deaf(LineDriver):
    """Hands in nothing."""

    async def run(self) -> None:
        await asyncio.Event().wait()


class Forgetful(LineDriver):
    """Does not say what it could not read."""

    async def _ask(self, meter: Meter, host: str, port: int) -> None:
        try:
            sample = await self._read(host, port)
        except Exception:
            return
        await self._inbox.hand_in(self._gateway, meter, conformance_device(), sample, self._clock.now_s())


class Fragile(LineDriver):
    """Gives up at the first registration that it does not understand."""

    def update(self, meters: Iterable[Meter]) -> None:
        found = list(meters)
        super().update(found if all(meter.address.count(":") == 2 for meter in found) else [])


def conformance_device() -> Any:
    from node.metering.blueprint import DEVICE

    return DEVICE


@pytest.mark.parametrize(
    ("wrong", "one", "said"),
    [
        (Deaf, conformance.reads_and_signs, "no reading"),
        (Forgetful, conformance.names_nonsense, "no fault for nonsense"),
        (Forgetful, conformance.names_silence, "no fault for silence"),
        (Fragile, conformance.survives_bad_registrations, "no reading"),
    ],
)
async def test_kit__driver_that_does_it_wrong__is_found_out(
    wrong: Callable[..., Driver], one: Check, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conformance, "PATIENCE_S", 1.0)
    with pytest.raises((AssertionError, ExceptionGroup)) as caught:
        await conformance.check(line_bench(wrong), one)
    assert said in repr(caught.value) or said in str(caught.value)
