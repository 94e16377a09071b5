"""The market of zones that were cleared together, run again by the auditor; every tampering with it is named."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from contracts.addresses import Deployment
from indexer.db import Connection, open_pool
from node.audit.compare import Finding
from node.audit.market import Traded, check_market
from node.config import MarketRules
from node.market import clearing, service
from node.market.area import Area
from node.market.slot_book import SlotBook
from node.settlement.context import SettlementContext
from tests.integration.node.market.community import BUY, CHAIN_ID, DOMAIN, GATE, NOW, RULES, SELL, SLOT, accept, enrol

pytestmark = pytest.mark.integration

FEE = RULES.grid_fee_per_kwh
AREA = Area((1, 2), {(1, 1): FEE, (2, 2): FEE, (2, 1): 30_000}, {(2, 1): 600})
CONTEXT = SettlementContext(
    rules=RULES,
    chain_id=CHAIN_ID,
    deployment=Deployment(CHAIN_ID, 0, {"SettlementExchange": DOMAIN.exchange}),
    operator=b"\x01" * 20,
    grid_account=b"\x02" * 20,
    salt_secret=b"salt",
)

TAMPERINGS = (
    (
        "update trading.auctions set clearing_price_per_kwh = 1 where zone = 2",
        "auction",
        f"zone 2 slot {SLOT} clearing",
    ),
    ("update trading.auctions set buy_price_per_kwh = 1 where zone = 1", "auction", f"zone 1 slot {SLOT} buy_price"),
    ("update trading.auctions set sold_wh = 1 where zone = 2", "auction", f"zone 2 slot {SLOT} sold_wh"),
    ("update trading.auctions set book_hash = sha256('x') where zone = 2", "auction", f"zone 2 slot {SLOT} book_hash"),
    ("update trading.area_auctions set result_hash = sha256('x')", "auction", f"area 1 slot {SLOT} result_hash"),
    ("update trading.area_auctions set rejected = '{7}'", "auction", f"area 1 slot {SLOT} rejected"),
    # The line's capacity, the last number of the first pair across zones: with more of it, other hashes follow.
    (
        "update trading.area_auctions set head = overlay(head placing '\\x0000000000000259' from length(head) - 7)",
        "sequence",
        "auction 0 payload",
    ),
    (
        "update trading.auctions set gate_closed_at = gate_closed_at + interval '1 second' where zone = 2",
        "auction",
        f"zone 2 slot {SLOT} gate_closed_at",
    ),
    # When the first order was accepted: at the gate.
    (
        f"update trading.events set payload = overlay(payload placing int8send({GATE}000) from 13) where sequence = 1",
        "order",
        "order 1 accepted_ms",
    ),
    ("delete from trading.area_auctions", "sequence", "auction 0 payload"),
    ("delete from trading.events where kind = 'auction_cleared'", "sequence", "auction 0"),
    ("update trading.events set subject = sha256('x') where sequence = 3", "order", "order 3 digest"),
)


@dataclass(frozen=True)
class Row:
    """All that the market's check wants to know of a settlement."""

    zone: int = AREA.name
    delivery_start: int = SLOT


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Connection]:
    async with open_pool(database_url, size=1) as pool, pool.acquire() as connection:
        yield connection


async def market_of(db: Connection, told: Row, rules: MarketRules = RULES) -> tuple[Traded | None, list[Finding]]:
    row: Any = told
    return await check_market(db, replace(CONTEXT, rules=rules), row)


async def test_check_market__auction_with_capacity_that_trades_had_used__names_the_line(
    db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    continuous = replace(RULES, trading="continuous")
    home, plant = await enrol(db, 1), await enrol(db, 2, zone=2)
    for order, signature in (home.order(BUY, 500, 270_000), plant.order(SELL, 400, 90_000, zone=2)):
        async with db.transaction():
            await service.accept_order(db, continuous, DOMAIN, CHAIN_ID, order, signature, NOW)
    monkeypatch.setattr(SlotBook, "room_left", lambda book: book.area)
    async with db.transaction():
        await clearing.clear_area(db, continuous, AREA, SLOT, GATE)
    monkeypatch.undo()

    _, findings = await market_of(db, Row(), continuous)

    assert [(finding.kind, finding.subject, finding.expected, finding.actual) for finding in findings] == [
        ("auction", f"line from zone 2 to zone 1 slot {SLOT} capacity_wh", "200", "600")
    ]


async def congested(db: Connection) -> None:
    home, roof, plant = await enrol(db, 1), await enrol(db, 2), await enrol(db, 3, zone=2)
    await accept(db, home.order(BUY, 1_000, 270_000))
    await accept(db, roof.order(SELL, 700, 200_000))
    await accept(db, plant.order(SELL, 5_000, 90_000, zone=2))
    async with db.transaction():
        await clearing.clear_area(db, RULES, AREA, SLOT, GATE)


async def test_check_market__honest_area__agrees_with_every_trade(db: Connection) -> None:
    await congested(db)

    traded, findings = await market_of(db, Row())

    assert findings == []
    assert traded is not None
    assert traded.clearing_prices == (200_000, 90_000)
    stored = await db.fetch(
        "select trade_number, buy_order, sell_order, buyer, seller, energy_wh, price_per_kwh, fee_per_kwh, rent_per_kwh"
        " from trading.trades order by trade_number"
    )
    found = [
        (
            t.number,
            t.buy_order,
            t.sell_order,
            t.buyer,
            t.seller,
            t.energy_wh,
            t.price_per_kwh,
            t.fee_per_kwh,
            t.rent_per_kwh,
        )
        for t in traded.trades
    ]
    assert found == [tuple(row) for row in stored]
    assert [row["rent_per_kwh"] for row in stored] == [0, 100_000]


async def test_check_market__tampered_area__is_named(db: Connection) -> None:
    await congested(db)
    unseen = []
    for statement, kind, name in TAMPERINGS:
        tampering = db.transaction()
        await tampering.start()
        assert not (await db.execute(statement)).endswith(" 0"), f"nothing was tampered with: {statement}"
        _, findings = await market_of(db, Row())
        if not any(finding.kind == kind and finding.subject.startswith(name) for finding in findings):
            unseen.append((statement, findings))
        await tampering.rollback()

    assert unseen == []
