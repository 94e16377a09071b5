"""Follows what is told from PostgreSQL alone: the ledger's events, and each listening account's own affairs.

Only what somebody listens to is read. An account's channel begins with a ``snapshot``; each ``delta`` says what has
changed since. The ledger's ``reorg`` says from which block on nothing holds any more; what replaces it follows.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from api.deps import Services
from api.hub import PERSONAL, Hub, topic_of
from contracts.typed_data import checksum
from indexer.db import ACQUIRE_TIMEOUT_S, AWAY, Connection, queries
from indexer.streams import events_of
from node.bus import stop_if_cancelled

logger = logging.getLogger(__name__)
SQL = queries(__name__)

LOOK_S: Final = 1.0
PAUSE_S: Final = 0.1
"""At most this often, however fast blocks come."""
MOST_BLOCKS: Final = 200
"""Told at once; who listens to a ledger that is read faster is told to read it again."""
FILLS: Final = 50
State = dict[str, Any]


class Follower:
    """What each topic's listeners have been told."""

    def __init__(self, hub: Hub, services: Services) -> None:
        self._hub = hub
        self._services = services
        self._told: dict[str, Any] = {}

    async def run(self) -> None:
        """Tells until cancelled."""
        while True:
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._hub.moved.wait()
            except TimeoutError:
                pass
            self._hub.moved.clear()
            try:
                await self.look()
            except AWAY as error:
                stop_if_cancelled()
                logger.warning("streams wait for the database: %s: %s", type(error).__name__, error)
            await asyncio.sleep(PAUSE_S)

    async def look(self) -> None:
        """Tells what has changed since the last look."""
        wanted = {topic for topic in self._hub.topics() if topic == "ledger" or " " in topic}
        for topic in self._told.keys() - wanted:
            del self._told[topic]
            self._hub.forget(topic)
        if not wanted:
            return
        accounts: dict[str, list[bytes]] = defaultdict(list)
        for channel, _, account in (topic.partition(" ") for topic in wanted):
            accounts[channel].append(bytes.fromhex(account))
        async with self._services.pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as db:
            if "ledger" in wanted:
                await self._ledger(db)
            tellers = zip(PERSONAL, (self._fills, self._balances, self._telemetry), strict=True)
            for channel, tell in tellers:
                if channel in accounts:
                    await tell(db, accounts[channel])

    async def _ledger(self, db: Connection) -> None:
        head = await db.fetchrow(SQL["head"], self._services.chain_id)
        if head is None:
            return
        number, epoch = head["block_number"], head["reorg_epoch"]
        before, before_epoch = self._told.get("ledger", (number, epoch))
        self._told["ledger"] = (number, epoch)
        if epoch != before_epoch:
            first = before if self._hub.reorg_from is None else self._hub.reorg_from
            before = min(before, first - 1)
            self._hub.publish("ledger", "reorg", {"from_block": before + 1, "reorg_epoch": epoch})
        self._hub.reorg_from = None
        if number - before > MOST_BLOCKS:
            self._hub.publish("ledger", "resync", {"from_block": before + 1, "block_number": number})
            return
        if number <= before:
            return
        chain_id = self._services.chain_id
        hashes = {row["number"]: row["hash"] for row in await db.fetch(SQL["hashes"], chain_id, before + 1, number)}
        for block, events in sorted((await events_of(db, chain_id, before + 1, number)).items()):
            block_hash = "0x" + hashes.get(block, b"").hex()
            self._hub.publish("ledger", "delta", {"block_number": block, "block_hash": block_hash, "events": events})

    async def _balances(self, db: Connection, accounts: list[bytes]) -> None:
        for row in await db.fetch(SQL["balances"], self._services.chain_id, accounts):
            state = {name: value for name, value in row.items() if name != "account"}
            self._tell("balances", row["account"], state, state)

    async def _telemetry(self, db: Connection, accounts: list[bytes]) -> None:
        meters: dict[bytes, State] = {account: {} for account in accounts}
        for row in await db.fetch(SQL["telemetry"], accounts):
            reading = {"meter_id": row["meter_id"], "time": row["time"], "power_w": str(row["power_w"])}
            registers = {name: str(row[name]) for name in ("import_wh", "export_wh")}
            meters[row["account"]][str(row["meter_id"])] = reading | registers
        for account, state in meters.items():
            before = self._told.get(topic_of("telemetry", account), {})
            changed = {meter: reading for meter, reading in state.items() if before.get(meter) != reading}
            self._tell("telemetry", account, state, changed)

    async def _fills(self, db: Connection, accounts: list[bytes]) -> None:
        for account in accounts:
            topic = topic_of("fills", account)
            known = self._told.get(topic, [])
            after = known[-1]["trade_id"] if known else 0
            found = [_fill(dict(row), account) for row in await db.fetch(SQL["fills"], account, after, FILLS)]
            newest = [*known, *found][-FILLS:]
            if topic not in self._told or found:
                kind = "delta" if topic in self._told else "snapshot"
                self._told[topic] = newest
                self._hub.publish(topic, kind, {"trades": found}, state={"trades": newest})

    def _tell(self, channel: str, account: bytes, state: State, changed: State) -> None:
        topic = topic_of(channel, account)
        if topic in self._told and self._told[topic] == state:
            return
        kind = "delta" if topic in self._told else "snapshot"
        self._told[topic] = state
        self._hub.publish(topic, kind, changed, state=state)


def _fill(row: Mapping[str, Any], account: bytes) -> State:
    """One trade, as its party sees it: integers as text, like the API."""
    return {
        "trade_id": row["trade_id"],
        "kind": row["kind"],
        "side": "buy" if row["buyer"] == account else "sell",
        "zone": row["zone"] if row["buyer"] == account else row["sell_zone"],
        "delivery_start": row["delivery_start"],
        "order_id": "0x" + row["buy_order" if row["buyer"] == account else "sell_order"].hex(),
        "counterparty": checksum(row["seller" if row["buyer"] == account else "buyer"]),
        "energy_wh": str(row["energy_wh"]),
        "price_per_kwh": str(row["price_per_kwh"]),
    }
