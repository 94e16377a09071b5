"""Which news make candles and indicative prices, and for whom."""

from typing import Any

import pytest

from api import market_feed
from api.market_feed import MarketFeed


class Outlet:
    """A hub with listeners to some channels."""

    def __init__(self, *channels: str) -> None:
        self.channels = channels
        self.said: list[tuple[str, str, Any]] = []

    def has_listeners(self, channel: str) -> bool:
        return channel in self.channels

    def publish(self, channel: str, kind: str, data: Any) -> None:
        self.said.append((channel, kind, data))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    """What would be looked up in the database."""
    asked: list[tuple[str, int, int]] = []

    async def candles(_feed: MarketFeed, _services: Any, zone: int, start: int) -> None:
        asked.append(("candles", zone, start))

    async def indicative(_feed: MarketFeed, _services: Any, area: int, start: int) -> None:
        asked.append(("indicative", area, start))

    monkeypatch.setattr(MarketFeed, "_tell_candles", candles)
    monkeypatch.setattr(MarketFeed, "_tell_indicative", indicative)
    return asked


async def tell(feed: MarketFeed) -> None:
    services: Any = None
    await feed.tell(services)


NEWS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("trades", {"zone": 1, "sell_zone": 2, "delivery_start": 900}),
    ("trades", {"zone": 1, "sell_zone": 1, "delivery_start": 900}),
    ("auctions", {"zone": 2, "delivery_start": 900, "matched_wh": "5"}),
    ("auctions", {"zone": 3, "delivery_start": 900, "matched_wh": "0"}),
    ("auctions", {"zone": 1, "delivery_start": 0, "session": "day_ahead", "matched_wh": "5"}),
    ("settlements", {"zone": 9, "delivery_start": 900}),
    ("book", {"area": 1, "delivery_start": 900, "revision": 2}),
)


async def test_tell__news_of_trades_and_books__is_told_once_for_each_slot(told: list[tuple[str, int, int]]) -> None:
    feed = MarketFeed(Outlet("candles", "indicative"))
    for channel, data in NEWS:
        feed.heard(channel, data)

    await tell(feed)
    await tell(feed)

    assert told == [("candles", 1, 900), ("candles", 2, 900), ("indicative", 1, 900)]


async def test_tell__nobody_listens__nothing_is_looked_up_until_somebody_does(told: list[tuple[str, int, int]]) -> None:
    outlet = Outlet()
    feed = MarketFeed(outlet)
    for channel, data in NEWS:
        feed.heard(channel, data)
    await tell(feed)
    assert told == []

    outlet.channels = ("indicative",)
    await tell(feed)
    assert told == [("indicative", 1, 900)]


async def test_heard__book_that_closes__is_told_and_not_looked_up(told: list[tuple[str, int, int]]) -> None:
    outlet = Outlet("indicative")
    feed = MarketFeed(outlet)
    feed.heard("book", {"area": 1, "delivery_start": 900, "revision": 2})
    feed.heard("book", {"area": 1, "delivery_start": 900, "closed": True})
    await tell(feed)

    assert told == []
    assert outlet.said == [("indicative", "closed", {"area": 1, "delivery_start": 900, "closed": True})]


async def test_heard__more_slots_than_are_remembered__the_oldest_are_forgotten(
    told: list[tuple[str, int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(market_feed, "MOST_WAITING", 2)
    feed = MarketFeed(Outlet("candles"))
    for start in (0, 900, 1_800):
        feed.heard("trades", {"zone": 1, "delivery_start": start})
    await tell(feed)

    assert told == [("candles", 1, 900), ("candles", 1, 1_800)]
