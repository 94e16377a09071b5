"""A long history must not slow the market down: what a statement touches stays small."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from indexer.db import Connection, queries
from tests.integration.node.market.community import CHAIN_ID, SLOT, ZONE, enrol

pytestmark = pytest.mark.integration

SLOTS = 400
TRADERS = 25
MOST_PAGES = 250
"""Of 8 kB each; the history below has more than ten times as many."""

HISTORY = """
insert into trading.orders (digest, sequence, trader, side, zone, delivery_start, energy_wh, limit_price_per_kwh,
    time_in_force, source, expiry, lane, nonce, signature, status, matched_wh, received_at)
select sha256((slot || '/' || trader)::bytea), slot * 1000 + trader, account,
    case trader % 2 when 0 then 'buy' else 'sell' end, $2,
    to_timestamp($1::bigint - slot * 900), 100, 1, 0, 0, 1, slot % 4, 1000 - slot,
    sha256('a') || sha256('b') || '\\x1b', case slot % 3 when 0 then 'matched' else 'unmatched' end, 0, now()
from generate_series(1, $3::int) slot,
    unnest($4::bytea[]) with ordinality as account (account, trader);
"""
AUCTIONS = """
insert into trading.auctions (zone, delivery_start, slot_s, gate_closed_at, grid_fee_per_kwh, order_count, matched_wh,
    book, book_hash, result_hash, area, sold_wh)
select $1, delivery_start, 900, delivery_start, 1, 1, 1, '', sha256('a'), sha256('b'), $1, 1
from trading.orders group by delivery_start;
"""
TRADES = """
insert into trading.trades (auction_id, trade_number, zone, delivery_start, buy_order, sell_order, buyer, seller,
    energy_wh, price_per_kwh, fee_per_kwh, sell_zone, settlement_status, executed_at)
select a.auction_id, row_number() over (partition by a.auction_id), b.zone, b.delivery_start, b.digest, s.digest,
    b.trader, s.trader, 1, 1, 1, s.zone, 'settled', now()
from trading.orders b
join trading.orders s on s.delivery_start = b.delivery_start and s.side = 'sell' and s.sequence = b.sequence + 1
join trading.auctions a on a.delivery_start = b.delivery_start
where b.side = 'buy' and b.status = 'matched';
"""
CHARGES = """
insert into blockchain.settled_imbalances
select $1, slot, 0, trader, '\\x00', slot, to_timestamp($2::bigint - slot * 900), 0, account, -5
from generate_series(1, $3::int * 10) slot, unnest($4::bytea[]) with ordinality as account (account, trader);
"""


async def pages(db: Connection, statement: str, arguments: Sequence[object]) -> int:
    """How many 8 kB pages a statement touches."""
    plan: Any = await db.fetchval(f"explain (analyze, buffers, format json) {statement}", *arguments)
    node = (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]
    return int(node["Shared Hit Blocks"] + node["Shared Read Blocks"])


async def test_statements__long_history__touch_few_pages(db: Connection) -> None:
    traders = [await enrol(db, number) for number in range(1, TRADERS + 1)]
    accounts = [trader.address for trader in traders]
    await db.execute(HISTORY, SLOT, ZONE, SLOTS, accounts)
    await db.execute(AUCTIONS, ZONE)
    await db.execute(TRADES)
    await db.execute(CHARGES, CHAIN_ID, SLOT, SLOTS, accounts)
    await db.execute("vacuum analyze")
    intake, clearing, closing, reads = (
        queries(f"node.market.{name}") for name in ("intake", "clearing", "closing", "reads")
    )

    touched = {
        "standing": await pages(
            db,
            intake["standing"],
            (CHAIN_ID, [b"\0" * 32], [accounts[0]], [ZONE], [SLOT], ["buy"], [1], [None]),
        ),
        "due": await pages(db, clearing["due"], ([ZONE], SLOT, 900, 95)),
        "void_orders": await pages(db, closing["void_orders"], (CHAIN_ID, [ZONE], SLOT, SLOT + 900, float("inf"))),
        "book_orders": await pages(db, closing["book_orders"], ([ZONE], SLOT, float("inf"))),
        "area_zones": await pages(db, clearing["area_zones"], (ZONE, SLOT - 900 * 399)),
        "release_orders": await pages(db, clearing["release_orders"], ([ZONE], SLOT - 900 * 399)),
        "release_trades": await pages(db, clearing["release_trades"], ([ZONE], SLOT - 900 * 399)),
        "locked": await pages(db, reads["locked"], (CHAIN_ID, accounts[0])),
        "orders": await pages(db, reads["orders"], (accounts[0], None, None, None, None, 100)),
        "orders_of_slot": await pages(db, reads["orders"], (None, None, ZONE, SLOT - 900 * 399, None, 100)),
        "trades_of_slot": await pages(db, reads["trades"], (ZONE, SLOT - 900 * 399, None, None, 100)),
        "slots": await pages(db, reads["slots"], (ZONE, SLOT - 900 * 8, SLOT, 900)),
    }

    assert {name: count for name, count in touched.items() if count > MOST_PAGES} == {}
