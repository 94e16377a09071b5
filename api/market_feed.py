"""What listeners are told of the market that is made here from its news: candles, and the indicative price.

At most once in ``EVERY_S`` for each slot, and only while somebody listens.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final, Protocol, TypeAlias

from api.deps import Services, snapshot
from indexer.db import AWAY, queries
from node.bus import stop_if_cancelled
from node.market import indicative
from node.market.area import area_of

logger = logging.getLogger(__name__)

EVERY_S: Final = 1.0
MOST_WAITING: Final = 10_000
"""Slots with news that nobody has asked for yet; the oldest are forgotten."""
_SQL: Final = queries(__name__)

Slot: TypeAlias = tuple[int, int]
"""A zone, or an area's name, and delivery start."""


class Outlet(Protocol):
    """Where messages go."""

    def has_listeners(self, channel: str) -> bool: ...

    def publish(self, channel: str, kind: str, data: Any) -> None: ...


class MarketFeed:
    """Remembers which slots have news, and tells what became of them."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._traded: dict[Slot, None] = {}
        self._moved: dict[Slot, None] = {}

    def heard(self, channel: str, data: Mapping[str, Any]) -> None:
        """News from the node: of a trade, of an auction that made some, or of a book."""
        if channel == "book":
            slot = int(data["area"]), int(data["delivery_start"])
            if data.get("closed"):
                self._moved.pop(slot, None)
                self._outlet.publish(
                    "indicative", "closed", {"area": slot[0], "delivery_start": slot[1], "closed": True}
                )
            else:
                _remember(self._moved, slot)
        elif channel == "trades" or (
            channel == "auctions" and "session" not in data and data.get("matched_wh", "0") != "0"
        ):
            _remember(self._traded, (int(data["zone"]), int(data["delivery_start"])))

    async def run(self, services: Services) -> None:
        """Tells, until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.tell(services)
            except AWAY as error:
                stop_if_cancelled()
                logger.warning("no market data, database away: %s: %s", type(error).__name__, error)

    async def tell(self, services: Services) -> None:
        """Tells what has changed since the last time, where somebody listens."""
        if self._traded and self._outlet.has_listeners("candles"):
            for slot in _taken(self._traded):
                await self._tell_candles(services, *slot)
        if self._moved and self._outlet.has_listeners("indicative"):
            for slot in _taken(self._moved):
                await self._tell_indicative(services, *slot)

    async def _tell_candles(self, services: Services, zone: int, start: int) -> None:
        opened = datetime.fromtimestamp(start, UTC)
        async with snapshot(services) as db:
            slot = await db.fetchrow(_SQL["slot"], zone, opened)
            minute = await db.fetchrow(_SQL["minute"], zone, opened)
        if slot is not None and minute is not None:
            told = {"slot": _candle(dict(slot)), "1m": _candle(dict(minute))}
            self._outlet.publish("candles", "delta", {"zone": zone, "delivery_start": start, "candles": told})

    async def _tell_indicative(self, services: Services, name: int, start: int) -> None:
        area = area_of(services.areas, name)
        if area is None:
            return
        async with snapshot(services) as db:
            found = await indicative.indication(db, area, start)
        zones = [
            {key: value if key == "zone" or value is None else str(value) for key, value in asdict(zone).items()}
            for zone in found.zones
        ]
        told = {"area": found.area, "delivery_start": start, "revision": found.revision, "zones": zones}
        self._outlet.publish("indicative", "delta", told)


def _candle(row: Mapping[str, Any]) -> dict[str, Any]:
    """As REST tells it."""
    start = row["start"].isoformat().replace("+00:00", "Z")
    numbers = {name: str(value) for name, value in row.items() if name not in ("start", "trades")}
    return {"start": start, **numbers, "trades": row["trades"]}


def _remember(slots: dict[Slot, None], slot: Slot) -> None:
    slots[slot] = None
    if len(slots) > MOST_WAITING:
        del slots[next(iter(slots))]


def _taken(slots: dict[Slot, None]) -> list[Slot]:
    taken = list(slots)
    slots.clear()
    return taken
