"""Batches of orders on a real database: as if each had come alone."""

import random
from dataclasses import replace
from typing import Any

import pytest

from contracts.errors import GridtraceError
from contracts.typed_data import order_digest
from indexer.db import Connection
from node.market import ledger, refusals, sequence, service
from node.market.book import BookOrder, parse_entry
from node.market.instructions import Instructions
from node.market.orders import signed
from tests.integration.node.market.community import (
    BUY,
    CHAIN_ID,
    DOMAIN,
    GATE,
    NOW,
    RULES,
    SELL,
    SLOT,
    Trader,
    accept,
    clear,
    enrol,
)

pytestmark = pytest.mark.integration

ORDERS = 60


def some_order(chance: random.Random, trader: Trader, earlier: list[BookOrder]) -> BookOrder:
    """Often good, often against one rule or another; sometimes an earlier one again, or instead of it."""
    if earlier and chance.random() < 0.1:
        return chance.choice(earlier)
    order, signature = trader.order(
        chance.choice((BUY, SELL)),
        chance.choice((1, 400, 1_000, 3_000)),
        chance.choice((100_000, 250_000, 300_000, 300_050)),
        lane=chance.randrange(6),
        nonce=chance.randrange(1, 12) + len(earlier),
        delivery_start=SLOT + 900 * chance.choice((0, 0, 0, 1, 9)),
        zone=chance.choice((1, 1, 1, 1, 2)),
    )
    replaces = chance.choice(earlier).digest if earlier and chance.random() < 0.3 else None
    return signed(DOMAIN, order, signature, Instructions(replaces=replaces))


def told(answers: list[service.Answer]) -> list[Any]:
    return [(type(answer), str(answer)) if isinstance(answer, GridtraceError) else answer for answer in answers]


async def taken(db: Connection, entries: list[BookOrder], sizes: list[int]) -> tuple[list[Any], list[Any]]:
    """Answers, and what the tables then say; the tables are emptied again."""
    answers: list[Any] = []
    at = 0
    for size in sizes:
        async with db.transaction():
            answers += told(await service.accept_signed(db, RULES, CHAIN_ID, entries[at : at + size], NOW))
        at += size
    rows = [tuple(row) for row in await db.fetch("select * from trading.orders order by sequence")]
    events = await ledger.events(db)
    assert sequence.first_fault(events) is None
    await db.execute("truncate trading.orders, trading.events cascade")
    return answers, rows + events


@pytest.mark.parametrize("seed", range(8))
async def test_accept_signed__in_batches__is_as_one_by_one(db: Connection, seed: int) -> None:
    chance = random.Random(seed)
    traders = [await enrol(db, number, cash=2_000_000, fuse_w=24_000) for number in (1, 2, 3)]
    entries: list[BookOrder] = []
    while len(entries) < ORDERS:
        trader = chance.choice(traders)
        entries.append(some_order(chance, trader, [one for one in entries if one.order.trader == trader.address]))

    single = await taken(db, entries, [1] * ORDERS)
    gathered = await taken(db, entries, [20, 1, 29, 10])
    together = await taken(db, entries, [ORDERS])

    assert gathered == single
    assert together == single
    codes = {answer[0] for answer in single[0] if isinstance(answer, tuple)}
    accepted = [answer for answer in single[0] if isinstance(answer, service.Accepted)]
    assert len(codes) > 3
    assert len(accepted) > 10


async def test_accept_signed__replacement__leaves_one_event_each_and_one_order(db: Connection) -> None:
    trader = await enrol(db, 1, cash=250_000)
    first = await accept(db, trader.order(BUY, 1_000, 250_000, lane=7))
    second = trader.order(BUY, 1_000, 240_000, lane=7, nonce=2)

    async with db.transaction():
        answer = await service.accept_order(
            db, RULES, DOMAIN, CHAIN_ID, *second, NOW, Instructions(replaces=first.digest)
        )

    events = await ledger.events(db)
    assert [event.kind for event in events] == ["order_accepted", "order_cancelled", "order_accepted"]
    assert events[1].subject == first.digest
    *_, published = sequence.parse_accepted(events[2].payload)
    assert parse_entry(1, SLOT, published).instructions.replaces == first.digest
    assert [order.status for order in await service.orders(db)] == ["open", "cancelled"]
    assert await service.locked_cash(db, CHAIN_ID, trader.address) == 240_000
    assert answer.locked_cash == 240_000


async def test_accept_signed__replacement_that_is_refused__leaves_the_first(db: Connection) -> None:
    trader = await enrol(db, 1, cash=250_000)
    first = await accept(db, trader.order(BUY, 1_000, 250_000, lane=7))
    dearer = trader.order(BUY, 1_000, 250_100, lane=7, nonce=2)

    with pytest.raises(refusals.InsufficientCollateral):
        async with db.transaction():
            await service.accept_order(db, RULES, DOMAIN, CHAIN_ID, *dearer, NOW, Instructions(replaces=first.digest))

    assert [event.kind for event in await ledger.events(db)] == ["order_accepted"]
    assert (await clear(db)).order_count == 1


async def test_cancel_orders__mixed__answers_each_by_itself(db: Connection) -> None:
    trader, other = await enrol(db, 1), await enrol(db, 2)
    mine = await accept(db, trader.order(BUY, 1_000, 250_000))
    theirs = await accept(db, other.order(BUY, 1_000, 250_000))
    unknown = order_digest(DOMAIN, trader.order(BUY, 7, 250_000)[0])

    async with db.transaction():
        answers = await service.cancel_orders(
            db, RULES, trader.address, [mine.digest, theirs.digest, unknown, mine.digest], NOW
        )

    assert isinstance(answers[0], service.Accepted)
    assert answers[0] == replace(mine, status="cancelled", locked_cash=0)
    assert [type(answer) for answer in answers[1:3]] == [refusals.OrderNotFound] * 2
    assert isinstance(answers[3], service.Accepted)
    assert [event.kind for event in await ledger.events(db)].count("order_cancelled") == 1


async def test_cancel_all__of_one_slot__leaves_the_others(db: Connection) -> None:
    trader, other = await enrol(db, 1), await enrol(db, 2)
    for start in (SLOT, SLOT, SLOT + 900):
        await accept(db, trader.order(BUY, 100, 250_000, delivery_start=start))
    await accept(db, other.order(BUY, 100, 250_000))

    async with db.transaction():
        assert await service.cancel_all(db, RULES, trader.address, GATE, delivery_start=SLOT) == []
        left = await service.cancel_all(db, RULES, trader.address, NOW, delivery_start=SLOT)
        rest = await service.cancel_all(db, RULES, trader.address, NOW)

    assert (len(left), len(rest)) == (2, 1)
    assert [order.trader for order in await service.orders(db, status="open")] == [other.address]
    assert sequence.first_fault(await ledger.events(db)) is None
