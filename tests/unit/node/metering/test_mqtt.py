"""The listener ends when it is told to, whatever the client makes of it."""

import asyncio
from contextlib import suppress
from typing import cast

import aiomqtt
import pytest

from indexer.clock import SimulatedClock
from node.metering.meter import Gateway, Inbox
from node.metering.mqtt import Listener


async def test_listener__client_turns_the_cancellation_into_a_lost_connection__ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sessions: list[str] = []

    async def session(_: Listener, host: str) -> None:
        sessions.append(host)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ExceptionGroup("lost", [aiomqtt.MqttError("the connection was lost")]) from None

    monkeypatch.setattr(Listener, "_session", session)
    listener = Listener("mqtt://127.0.0.1:1", Gateway(bytes(31) + b"\x07"), Inbox(size=1), SimulatedClock(0, 0, 1))
    listener.update([])
    running = asyncio.create_task(listener.run())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    running.cancel()
    done, _ = await asyncio.wait({running}, timeout=2)
    assert done and running.cancelled()
    assert sessions == ["127.0.0.1"]


class KeepingClient:
    """A broker's client that keeps a cancellation to itself when its answer comes at the same moment."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def subscribe(self, topic: str, qos: int) -> None:
        self.asked.set()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3_600)


async def test_subscribing__client_keeps_the_cancellation_to_itself__ends() -> None:
    listener = Listener("mqtt://127.0.0.1:1", Gateway(bytes(31) + b"\x07"), Inbox(size=1), SimulatedClock(0, 0, 1))
    mqtt = KeepingClient()
    subscribing = asyncio.create_task(listener._subscribe(cast(aiomqtt.Client, mqtt)))
    await mqtt.asked.wait()
    subscribing.cancel()
    done, _ = await asyncio.wait({subscribing}, timeout=2)
    assert done and subscribing.cancelled()
