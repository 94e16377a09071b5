"""What a plant brought, from the settlement's tables: zones, versions, what is not final, whose account it is."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest

from contracts.abi import ARTIFACTS, artifact
from indexer import facts
from indexer.db import Connection, connect
from indexer.manifest import Contract, Manifest
from node.assets import investing, revenue

pytestmark = pytest.mark.integration

CHAIN_ID = 31_337
OWNER, HOME = b"\x0a" * 20, b"\x0b" * 20
DAY = datetime(2026, 3, 1, tzinfo=UTC)
PERIOD = (date(2026, 3, 1), date(2026, 3, 2))


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Connection]:
    connection = await connect(database_url)
    yield connection
    await connection.close()


async def meter(db: Connection, number: int, owner: bytes, zone: int, plant_id: str | None) -> None:
    await db.execute(
        "insert into telemetry.meters (meter_id, owner, kind, plant_id, zone, driver, device, address, key, fuse_w)"
        " values ($1, $2, $3, $4, $5, 'http', 'push', '', $2, 100000)",
        number,
        owner,
        "plant" if plant_id else "home",
        plant_id,
        zone,
    )


async def settled(
    db: Connection, slot: int, money: dict[bytes, int], *, zone: int = 1, version: int = 0, state: str = "settled",
    final: bool = True,
) -> None:  # fmt: skip
    """One version of a slot's settlement: nano for each account, 1 kWh fed in by each."""
    start = DAY + timedelta(minutes=15 * slot)
    settlement = await db.fetchval(
        "insert into trading.settlements (zone, zones, delivery_start, version, state, trades, traded_wh, delivered_wh,"
        " imbalance_wh, grid_exchange_wh, price_local_per_kwh, price_long_per_kwh, price_short_per_kwh, grid_fee_nano,"
        " residue_nano, readings_root, result_hash, final_at) values ($1::bigint, array[$1::bigint], $2, $3, $4, 1,"
        " 1000, 1000, 0, 0, 1, 1, 1, 0, 0, $5, $5, case when $6 then now() end) returning settlement_id",
        zone,
        start,
        version,
        state,
        bytes(32),
        final,
    )
    for account, nano in money.items():
        await db.execute(
            "insert into trading.settlement_accounts (settlement_id, account, bought_wh, sold_wh, injection_wh,"
            " withdrawal_wh, imbalance_wh, netted_wh, trade_money_nano, grid_fee_nano, imbalance_money_nano, rent_nano,"
            " state) values ($1, $2, 0, 800, 1000, 0, 200, 0, $3, 30, 50, 20, 'metered')",
            settlement,
            account,
            nano,
        )


async def test_revenue__of_two_zones__is_each_plants_own(db: Connection) -> None:
    other = b"\x0c" * 20
    await meter(db, 1, OWNER, 1, "hill")
    await meter(db, 2, other, 2, "roof")
    await settled(db, 0, {OWNER: 5_000, HOME: -5_000}, zone=1)
    await settled(db, 0, {other: 900, HOME: -900}, zone=2)
    hill, roof = [await revenue.revenue(db, plant, *PERIOD) for plant in ("hill", "roof")]
    assert (hill.nano, hill.energy_wh, hill.sold_wh, hill.slots, hill.open_slots) == (5_000, 1_000, 800, 1, 0)
    assert (roof.nano, roof.amount_down) == (900, 0)


async def test_revenue__newest_settled_version__counts_and_what_may_change_is_open(db: Connection) -> None:
    await meter(db, 1, OWNER, 1, "hill")
    await settled(db, 0, {OWNER: 5_000})
    await settled(db, 0, {OWNER: 7_000}, version=1)
    await settled(db, 1, {OWNER: 100})
    await settled(db, 1, {OWNER: 900}, version=1, state="failed")
    assert (await revenue.revenue(db, "hill", *PERIOD)).nano == 7_100
    await settled(db, 2, {OWNER: 1}, final=False)
    await settled(db, 3, {OWNER: 1}, state="submitted")
    await db.execute(
        "insert into trading.auctions (zone, area, delivery_start, slot_s, gate_closed_at, grid_fee_per_kwh,"
        " order_count, matched_wh, sold_wh, book, book_hash, result_hash, cleared_at)"
        " values (1, 1, $1, 900, $1, 0, 0, 0, 0, '', $2, $2, $1)",
        DAY + timedelta(hours=20),
        bytes(32),
    )
    found = await revenue.revenue(db, "hill", *PERIOD)
    assert (found.nano, found.open_slots) == (7_101, 3)


@pytest.mark.parametrize("beside", [("home", OWNER), ("roof", OWNER), ("hill", HOME)])
async def test_revenue__account_that_is_not_the_plants_alone__is_refused(
    db: Connection, beside: tuple[str, bytes]
) -> None:
    await meter(db, 1, OWNER, 1, "hill")
    plant, owner = beside
    await meter(db, 2, owner, 1, None if plant == "home" else plant)
    with pytest.raises(revenue.AccountShared):
        await revenue.revenue(db, "hill", *PERIOD)


async def test_portfolio__any_amounts__claimable_is_the_contracts(db: Connection) -> None:
    """FractionLedger keeps revenue in 2^-60 of a unit for a fraction and pays whole units."""
    contracts = tuple(Contract(name, bytes([n]) * 20, artifact(name).abi) for n, name in enumerate(ARTIFACTS))
    await facts.ensure(db, Manifest(chain_id=CHAIN_ID, start_block=0, contracts=contracts))
    draw = Random(7)
    expected = {}
    for number in range(300):
        token, supply = number.to_bytes(20, "big"), draw.choice((3, 7, 1_000, 10_000))
        held = draw.randint(1, supply)
        await db.execute(
            "with plant as (insert into assets.assets (owner, plant_id, name, symbol, supply)"
            " values ($1, $2::text, $2::text, 'S', $3) returning token_id)"
            " insert into blockchain.asset_tokens"
            " select $4, $5, token_id, $6, $1, $3, $2, 'S', $6, '', null, 0, null, 0, 1 from plant",
            OWNER,
            f"plant-{number}",
            supply,
            CHAIN_ID,
            token,
            bytes(32),
        )
        await db.execute(
            "insert into blockchain.fact_asset_token_transfer (chain_id, block_number, log_index, transaction_hash,"
            ' block_time, emitter, "from", "to", value) values ($1, 1, $2, $3, now(), $4, $5, $6, $7)',
            CHAIN_ID,
            number,
            bytes(32),
            token,
            OWNER,
            HOME,
            held,
        )
        per_fraction = 0
        for deposit in range(3):
            per_fraction += draw.randint(1, 10**12) * 2**60 // supply
            await db.execute(
                "insert into blockchain.fact_asset_token_revenue_deposited (chain_id, block_number, log_index,"
                " transaction_hash, block_time, emitter, depositor, distribution_id, amount, revenue_per_fraction)"
                " values ($1, $2, $3, $4, now(), $5, $6, $4, 1, $7::numeric)",
                CHAIN_ID,
                2 + deposit,
                number,
                bytes(32),
                token,
                OWNER,
                per_fraction,
            )
        expected[token] = per_fraction * held // 2**60
    found = {item.token: item.claimable for item in await investing.portfolio(db, CHAIN_ID, HOME)}
    assert found == expected
