"""Versions come to a market that has settled before."""

import asyncio

import pytest

from indexer import migrate
from indexer.db import open_pool
from tests.integration.node.settlement.village import SLOT

pytestmark = pytest.mark.integration

INSERT = """
insert into trading.settlements (zone, delivery_start, version, state, trades, traded_wh, delivered_wh, imbalance_wh,
    grid_exchange_wh, price_local_per_kwh, price_long_per_kwh, price_short_per_kwh, grid_fee_nano, residue_nano,
    readings_root, result_hash, missing_meters)
select 1, to_timestamp($1::bigint), 0, $2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, sha256(''), sha256(''), 0
"""
WEEK_S = 7 * 86_400


async def test_upgrade__slots_settled_a_week_before_the_newest__are_final(database_url: str) -> None:
    await asyncio.to_thread(migrate.downgrade, database_url, "0010")
    slots = {
        SLOT: "settled",
        SLOT - WEEK_S: "settled",
        SLOT - WEEK_S - 900: "failed",
        SLOT - WEEK_S - 1_800: "attested",
    }
    async with open_pool(database_url, size=1) as pool, pool.acquire() as db:
        for slot, state in slots.items():
            await db.execute(INSERT, slot, state)
    await asyncio.to_thread(migrate.upgrade, database_url)
    async with open_pool(database_url, size=1) as pool, pool.acquire() as db:
        rows = await db.fetch("select extract(epoch from delivery_start)::bigint as slot from trading.settlements"
                              " where final_at is not null")  # fmt: skip
    assert [row["slot"] for row in rows] == [SLOT - WEEK_S - 900]
