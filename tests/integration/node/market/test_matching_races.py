"""Cancellations against fills, and a process that is killed while it trades."""

import asyncio
import signal
import sys
from collections import Counter
from random import Random

import pytest

from contracts.typed_data import Order
from indexer.db import Connection, Pool
from node.market import ledger, refusals, sequence
from node.market.matching import Matcher
from node.market.slot_log import rematch
from tests.integration.node.market.community import BUY, NOW, SELL, SLOT, Trader, enrol
from tests.integration.node.market.trading import AREA, CONTINUOUS, Market, again, orders, trades

RACES = 1_000
WORKERS = 8
RUN = 25
"""Races of one pair of traders in one slot, who may have 32 orders there."""


async def _race(market: Market, random: Random, seller: Trader, buyer: Trader, slot: int) -> str:
    def later(side: int, trader: Trader, price: int, time_in_force: int) -> tuple[Order, bytes]:
        order, _ = trader.order(side, 100, price, delivery_start=slot, time_in_force=time_in_force)
        return trader.signed(order)

    offer = await market.enter(later(SELL, seller, 100_000, 0))
    await asyncio.sleep(random.random() * 0.005)

    async def cancel() -> str:
        await asyncio.sleep(random.random() * 0.01)
        try:
            await market.cancel(seller.address, offer.digest)
        except refusals.CancelTooLate:
            return "too late"
        return "acknowledged"

    outcome, _ = await asyncio.gather(cancel(), market.enter(later(BUY, buyer, 200_000, 2)))
    return outcome


async def test_cancel__raced_with_a_fill_a_thousand_times__is_never_filled_after(db: Connection, pool: Pool) -> None:
    market, matcher = Market(pool), Matcher(CONTINUOUS, [AREA])
    numbers = iter(range(1, 1_000))
    outcomes: Counter[str] = Counter()

    async def work(worker: int) -> None:
        random = Random(worker)
        slot = SLOT + worker % 4 * 900
        for first in range(0, RACES // WORKERS, RUN):
            async with pool.acquire() as own:
                pair = [await enrol(own, next(numbers)) for _ in range(2)]
            for _ in range(first, min(first + RUN, RACES // WORKERS)):
                outcomes[await _race(market, random, *pair, slot)] += 1

    async def match() -> None:
        while True:
            await matcher.follow(pool, NOW)
            await asyncio.sleep(0.001)

    matching = asyncio.create_task(match())
    await asyncio.gather(*(work(worker) for worker in range(WORKERS)))
    matching.cancel()
    await asyncio.gather(matching, return_exceptions=True)
    await market.match()

    filled_after = await db.fetchval(
        "select count(*) from trading.events e join trading.trades t on t.sell_order = e.subject"
        " where e.kind = 'order_cancelled' and t.sequence > e.sequence"
    )
    assert filled_after == 0
    stored = Counter(row["status"] for row in (await orders(db)).values())
    # Every offer was either filled or cancelled, and both happened often.
    assert sum(outcomes.values()) == RACES
    assert stored["open"] == 0
    assert min(len(await trades(db)), outcomes["acknowledged"]) > RACES // 20
    assert sequence.first_fault(await ledger.events(db)) is None


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_matching__killed_while_orders_come__loses_and_makes_none(
    db: Connection, pool: Pool, database_url: str, seed: int
) -> None:
    for number in range(1, 41):
        await enrol(db, number)
    random = Random(seed)
    said: list[list[str]] = []
    for turn in range(2):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.integration.node.market.killed", database_url, str(seed * 10 + turn),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        accepted_now = 0
        while accepted_now < 20 or await db.fetchval("select count(*) from trading.trades") <= 6 * turn + 6:
            line = await process.stdout.readline()
            assert line, "it ended by itself"
            said.append(line.decode().split())
            accepted_now += said[-1][0] == "accepted"
        await asyncio.sleep(random.random() * 0.3)
        process.send_signal(signal.SIGKILL)
        # Whatever follows the last end of line was cut off.
        said += [line.decode().split() for line in (await process.stdout.read()).split(b"\n")[:-1]]
        await process.wait()
    # What the dead process had begun is rolled back by PostgreSQL as soon as it notices.
    await asyncio.sleep(0.2)
    await Market(pool).match()

    accepted = {bytes.fromhex(words[1]) for words in said if words[0] == "accepted"}
    stored = await orders(db)
    sent, refused = (sum(words[0] == kind for words in said) for kind in ("sent", "refused"))
    assert accepted <= stored.keys()
    assert len(accepted) > 20
    assert len(stored) <= sent - refused
    cancelled = {bytes.fromhex(words[1]): int(words[2]) for words in said if words[0] == "cancelled"}
    rows = await trades(db)
    assert not [row for row in rows for digest in row[2:4] if row[-1] > cancelled.get(digest, 2**62)]
    assert not [digest for digest in cancelled if stored[digest]["status"] == "open"]
    book = await again(db)
    fills = book.drain().fills
    assert [row[0] for row in rows] == list(range(len(rows)))
    assert [(fill.buy.digest, fill.sell.digest, fill.energy_wh, fill.sequence) for fill in fills] == [
        (row[2], row[3], row[4], row[7]) for row in rows
    ]
    assert len(rows) > 5
    assert sequence.first_fault(await ledger.events(db)) is None


async def test_close__while_orders_come_and_are_matched__has_every_acknowledged_order_once(
    db: Connection, pool: Pool
) -> None:
    market, matcher = Market(pool), Matcher(CONTINUOUS, [AREA])
    traders = [await enrol(db, number) for number in range(1, 21)]
    acknowledged: set[bytes] = set()
    refused = 0

    async def enter(first: int) -> None:
        nonlocal refused
        random = Random(first)
        for turn in range(100):
            trader = traders[first * 5 + turn % 5]
            try:
                entry = trader.order(random.randrange(2), random.randint(1, 40), random.randrange(100, 180) * 1_000)
                acknowledged.add((await market.enter(entry)).digest)
            except refusals.GateClosed:
                refused += 1

    async def match() -> None:
        while True:
            await matcher.follow(pool, NOW)
            await asyncio.sleep(0)

    async def close() -> None:
        while len(acknowledged) < 60:
            await asyncio.sleep(0.01)
        await market.close()

    matching = asyncio.create_task(match())
    await asyncio.gather(close(), *(enter(first) for first in range(4)))
    matching.cancel()
    await asyncio.gather(matching, return_exceptions=True)

    assert refused > 10
    stored = await orders(db)
    assert stored.keys() == acknowledged
    assert {row["status"] for row in stored.values()} <= {"matched", "unmatched", "cancelled"}
    done = rematch(await db.fetchval("select log from trading.slot_logs"))
    fills = [(fill.number, fill.buy.digest, fill.sell.digest, fill.energy_wh) for fill in done.changes.fills]
    assert fills == [(row[0], *row[2:5]) for row in await trades(db) if row[1] == "continuous"]
    assert len(fills) > 10
    assert sequence.first_fault(await ledger.events(db)) is None
    # Nothing is matched in a slot whose gate has closed.
    assert await market.match() == []
