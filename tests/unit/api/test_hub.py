import asyncio
import json
from typing import Any

import pytest

from api import hub as hubs
from api.hub import CHANNELS, QUEUE_LENGTH, Hub, Overrun, TooManyListeners


def read(text: str) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(text)
    return message


async def test_listen__first_messages__are_hello_and_snapshots() -> None:
    hub = Hub()
    hub.publish("blocks", "delta", {"number": 5})
    with hub.listen(["blocks"]) as listener:
        hello, snapshot = read(await listener.next()), read(await listener.next())
    assert hello["data"] == {"stream_id": hub.stream_id, "channels": list(CHANNELS)}
    assert (snapshot["type"], snapshot["seq"], snapshot["data"]) == ("snapshot", 1, {"number": 5})


async def test_publish__each_channel__counts_by_itself() -> None:
    hub = Hub()
    with hub.listen(["blocks", "audit"]) as listener:
        for _ in range(3):
            await listener.next()
        for channel in ("blocks", "audit", "blocks"):
            hub.publish(channel, "delta", {})
        found = [read(await listener.next()) for _ in range(3)]
    assert [(message["channel"], message["seq"]) for message in found] == [("blocks", 1), ("audit", 1), ("blocks", 2)]


async def test_publish__channel_not_subscribed__is_not_heard() -> None:
    hub = Hub()
    with hub.listen(["blocks"]) as listener:
        await listener.next(), await listener.next()
        hub.publish("audit", "delta", {})
        listener.unsubscribe(["blocks"])
        hub.publish("blocks", "delta", {})
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(listener.next(), 0.01)


async def test_publish__listener_too_slow__ends_instead_of_missing_one() -> None:
    hub = Hub()
    with hub.listen(["blocks"]) as listener:
        for _ in range(QUEUE_LENGTH):
            hub.publish("blocks", "delta", {})
        with pytest.raises(Overrun):
            await listener.next()


async def test_close__waiting_listener__ends_at_once() -> None:
    hub = Hub()
    with hub.listen([]) as listener:
        await listener.next()
        waiting = asyncio.create_task(listener.next())
        await asyncio.sleep(0)
        hub.close()
        with pytest.raises(Overrun):
            await asyncio.wait_for(waiting, 1)


async def test_listen__no_room__is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "MAX_LISTENERS", 1)
    hub = Hub()
    with hub.listen([]), pytest.raises(TooManyListeners), hub.listen([]):
        pytest.fail("there is no room")
    with hub.listen([]):
        assert hub.listeners == 1


async def test_publish_book__revision_missing__asks_to_read_the_book_again() -> None:
    hub = Hub()
    news = [(7, 1, 900), (8, 1, 900), (3, 1, 1_800), (10, 1, 900), (11, 1, 900)]
    with hub.listen(["book"]) as listener:
        await listener.next(), await listener.next()
        for revision, area, start in news:
            hub.publish_book({"area": area, "delivery_start": start, "revision": revision, "levels": []})
        hub.publish_book({"area": 1, "delivery_start": 900, "closed": True})
        found = [read(await listener.next()) for _ in range(6)]
    assert [message["type"] for message in found] == ["delta", "delta", "delta", "resync", "delta", "closed"]
    assert [message["seq"] for message in found] == [1, 2, 3, 4, 5, 6]
    assert [message["data"].get("prev_revision") for message in found] == [6, 7, 2, 9, 10, None]


async def test_tell__one_user__nobody_else_hears_of_it() -> None:
    hub = Hub()
    with hub.listen(["notifications"], "anna") as anna, hub.listen(["notifications"], "ben") as ben:
        for listener in (anna, ben):
            await listener.next()
            assert json.loads(await listener.next())["type"] == "snapshot"
        hub.tell("anna")
        assert json.loads(await anna.next()) == {"channel": "notifications", "seq": 1, "type": "delta", "data": {}}
        hub.tell("ben")
        assert json.loads(await ben.next())["seq"] == 1
