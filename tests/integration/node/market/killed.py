"""A process that trades until it is killed: ``python -m tests.integration.node.market.killed <database> <seed>``.

Enters and cancels orders and matches, all at once, and says a line for each thing that was acknowledged.
"""

import asyncio
import sys
from random import Random

from indexer.db import open_pool
from node.market.instructions import Instructions
from node.market.matching import Matcher
from node.market.refusals import CancelTooLate
from tests.integration.node.market.community import NOW, Trader
from tests.integration.node.market.trading import AREA, CONTINUOUS, Market

TRADERS = range(1, 41)


def say(*words: str) -> None:
    print(*words, flush=True)


async def enter(market: Market, random: Random, first: int) -> None:
    numbers = [number for number in TRADERS if number % 4 == first]
    while True:
        trader = Trader(random.choice(numbers), lanes=random.randrange(1, 60_000))
        energy_wh = random.randint(1, 50)
        entry = trader.order(random.randrange(2), energy_wh, random.randrange(100, 200) * 1_000)
        asking = Instructions(display_wh=random.choice((0, (energy_wh + 1) // 2)) if energy_wh > 2 else 0)
        say("sent", str(trader.number))
        try:
            accepted = await market.enter(entry, asking=asking)
        except Exception as error:
            say("refused", type(error).__name__)
            continue
        say("accepted", accepted.digest.hex())
        if random.random() < 0.4:
            try:
                await market.cancel(trader.address, accepted.digest)
            except CancelTooLate:
                continue
            number = await market.pool.fetchval(
                "select sequence from trading.events where kind = 'order_cancelled' and subject = $1", accepted.digest
            )
            say("cancelled", accepted.digest.hex(), str(number))


async def match(market: Market) -> None:
    matcher = Matcher(CONTINUOUS, [AREA])
    while True:
        await matcher.follow(market.pool, NOW)
        await asyncio.sleep(0)


async def main(database_url: str, seed: int) -> None:
    async with open_pool(database_url, size=6) as pool:
        market = Market(pool)
        await asyncio.gather(match(market), *(enter(market, Random(seed * 10 + first), first) for first in range(4)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
