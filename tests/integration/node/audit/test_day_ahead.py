"""A day-ahead auction and the slot's own after it, run again by the auditor; every tampering is named."""

from collections.abc import AsyncIterator

import pytest

from indexer.db import Connection, open_pool
from node.market import clearing, day_ahead, service
from node.market.instructions import Instructions
from node.market.terms import agreed_areas
from tests.integration.node.audit.test_areas import AREA, Row, market_of
from tests.integration.node.market.community import BUY, CHAIN_ID, DOMAIN, SELL, enrol
from tests.integration.node.market.test_day_ahead import DAY, EARLY, FIRST, GATE, NOON, SECOND

pytestmark = pytest.mark.integration

TAMPERINGS = (
    ("update trading.day_ahead_auctions set matched_wh = 1", "auction", f"day {DAY} matched_wh"),
    ("update trading.day_ahead_auctions set accepted_blocks = '{}'", "auction", f"day {DAY} accepted_blocks"),
    ("update trading.day_ahead_auctions set rejected_blocks = '{1}'", "auction", f"day {DAY} rejected_blocks"),
    ("update trading.day_ahead_auctions set book_hash = sha256('x')", "auction", f"day {DAY} book_hash"),
    ("update trading.day_ahead_auctions set book = book || '\\x00'", "book", f"day {DAY}"),
    ("update trading.day_ahead_auctions set zones = '{1}'", "auction", f"day {DAY} zones"),
    ("update trading.day_ahead_prices set buy_price_per_kwh = 1 where zone = 1", "auction", "zone 1 buy_price"),
    ("delete from trading.day_ahead_prices where zone = 2", "auction", "zone 2"),
    ("update trading.events set payload = sha256('x') where kind = 'day_ahead_cleared'", "sequence", "day-ahead 0"),
    ("delete from trading.events where kind = 'day_ahead_cleared'", "sequence", "day-ahead 0"),
    # The session took only what came before its gate.
    (
        "update trading.day_ahead_auctions set gate_closed_at = gate_closed_at - interval '1 hour'",
        "book",
        "order 1",
    ),
    (
        "update trading.day_ahead_auctions set gate_closed_at = gate_closed_at + interval '1 second'",
        "auction",
        f"day {DAY} gate_closed_at",
    ),
    ("delete from trading.day_ahead_auctions", "book", "order 1"),
    ("update trading.day_ahead_auctions set sequence = sequence + 1", "auction", f"day {DAY} sequence"),
    ("update trading.day_ahead_auctions set ends_at = ends_at + interval '1 hour'", "auction", f"day {DAY} ends_at"),
)


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Connection]:
    async with open_pool(database_url, size=1) as pool, pool.acquire() as connection:
        yield connection


async def trade(db: Connection, *, forgetful: bool = False) -> None:
    """A home buys ahead from a plant's block over two slots, and on the day a little more.

    A ``forgetful`` market sells on the day what it sold of the line before.
    """
    home, plant = await enrol(db, 1), await enrol(db, 2, zone=2)
    block = b"\x09" * 32
    for now_s in (EARLY, GATE + 10.0):
        for start in (FIRST, SECOND):
            for trader, side, limit, zone in ((home, BUY, 270_000, 1), (plant, SELL, 90_000, 2)):
                order, signature = trader.order(side, 300, limit, delivery_start=start, zone=zone)
                asked = Instructions(block=block if (side, now_s) == (SELL, EARLY) else None)
                async with db.transaction():
                    await service.accept_order(db, NOON, DOMAIN, CHAIN_ID, order, signature, now_s, instructions=asked)
        if now_s == EARLY:
            async with db.transaction():
                await day_ahead.clear(db, NOON, AREA, DAY, GATE)
    agreed = await agreed_areas(db, [AREA], (FIRST, SECOND))
    for start, (area,) in agreed.items():
        async with db.transaction():
            await clearing.clear_area(db, NOON, AREA if forgetful else area, start, start)


async def test_check_market__line_sold_twice__is_named(db: Connection) -> None:
    await trade(db, forgetful=True)

    _, findings = await market_of(db, Row(delivery_start=FIRST), NOON)

    assert [(finding.kind, finding.subject, finding.expected, finding.actual) for finding in findings] == [
        ("auction", f"line from zone 2 to zone 1 slot {FIRST} capacity_wh", "300", "600")
    ]


async def test_check_market__day_ahead_and_own_auction__agree_with_every_trade(db: Connection) -> None:
    await trade(db)

    for start in (FIRST, SECOND):
        traded, findings = await market_of(db, Row(delivery_start=start), NOON)
        assert findings == []
        assert traded is not None
        stored = await db.fetch(
            "select trade_number, buy_order, sell_order, energy_wh, price_per_kwh, rent_per_kwh from trading.trades"
            " where delivery_start = to_timestamp($1::bigint) order by trade_number",
            start,
        )
        found = [
            (t.number, t.buy_order, t.sell_order, t.energy_wh, t.price_per_kwh, t.rent_per_kwh) for t in traded.trades
        ]
        assert found == [tuple(row) for row in stored]
        assert len(found) == 2


async def test_check_market__tampered_session__is_named(db: Connection) -> None:
    await trade(db)
    unseen = []
    for statement, kind, name in TAMPERINGS:
        tampering = db.transaction()
        await tampering.start()
        assert not (await db.execute(statement)).endswith(" 0"), f"nothing was tampered with: {statement}"
        _, findings = await market_of(db, Row(delivery_start=FIRST), NOON)
        if not any(finding.kind == kind and finding.subject.startswith(name) for finding in findings):
            unseen.append((statement, findings))
        await tampering.rollback()

    assert unseen == []
