"""Settlement and audit: ``python -m scripts.bench.settlement [--only computed|slot|audit] [--json]``.

- computed: a slot of a million trades between 100,000 accounts as columns, and 20,000 trades between 2,000 accounts as
  the node does it, trade by trade and in batches; CPU seconds of this process.
- slot: 10,000 metered homes, 2,000 trades, several slots: from the slot's end, all readings in the database, to the
  first transaction in the outbox, the slowest of them, and then to the first batch; wall and CPU seconds, and a real
  PostgreSQL.
- audit: slots of 1,000 meters and 208 trades each, 96 of which are a day of 20,000 trades; one slot is measured after
  the other, and the day is 96 times their mean.

The chain is a stand-in that takes what the outbox asks for; homes, orders and readings are signed. Each has a limit,
and a floor measured in the same run: the CPU time of what nothing can leave out. Exit code 1 where one is over its
limit.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np

from api.devnet.postgres import PostgresServer
from contracts.typed_data import Order, Reading, order_digest, reading_digest, sign
from indexer import migrate
from indexer.db import Connection, open_pool
from node.audit import service as audit
from node.market import service as market
from node.metering import service as metering
from node.metering.readings import SignedReading
from node.settlement import columns, merkle
from node.settlement.advance import advance
from node.settlement.columns import MeterColumns, TradeColumns
from node.settlement.delivery import Metered, Trade
from node.settlement.imbalance import Prices
from node.settlement.outcome import result_hash, settle
from node.settlement.service import compute
from tests.integration.node.settlement import ledger
from tests.integration.node.settlement.village import (
    BUY,
    CHAIN_ID,
    CONTEXT,
    DOMAIN,
    FAR,
    RULES,
    SELL,
    SLOT,
    SLOT_S,
    ZONE,
    account_of,
    found,
    key_of,
)

FIRST: Final = 10_001
"""Number of the first home."""
PRICES: Final = Prices(150_000, 60_000, 320_000)
AUDITED_SLOTS: Final = 3
CLOSED_SLOTS: Final = 3
LIMITS_S: Final = {"columns": ("cpu_s", 1.0), "slot": ("first_transaction_s", 2.0), "audit": ("day_s", 60.0)}
SLOTS_A_DAY: Final = 96
Row = dict[str, float]


def as_columns(trades: int, accounts: int) -> Row:
    """One slot as columns, with its orders' amounts: every account has one order."""
    random = np.random.default_rng(1)
    half = accounts // 2
    seller, buyer = random.integers(0, half, trades), random.integers(half, accounts, trades)
    price, fee = np.full(trades, 150_000), random.choice(np.array([20_000, 45_000]), trades)
    energy_wh = random.integers(1, 2_000, trades)
    slot = TradeColumns(buyer, seller, buyer - half, seller, energy_wh, price, fee, np.zeros_like(price))
    flow, feeds = random.integers(0, 30_000, accounts), np.arange(accounts) < half
    meters = MeterColumns(np.where(feeds, flow, 0), np.where(feeds, 0, flow), random.random(accounts) < 0.001)
    start = time.process_time()
    found = columns.settle(slot, meters, PRICES)
    taken_s = time.process_time() - start
    assert int(found.trade_money_nano.sum()) == 0
    start = time.process_time()
    np.argsort(fee, kind="stable")
    for of in (buyer, seller):
        np.add.at(np.zeros(accounts, dtype=np.int64), of, energy_wh)
    return {"cpu_s": taken_s, "floor_s": time.process_time() - start, "trades": trades, "accounts": accounts}


def trade_by_trade(trades: int, accounts: int) -> Row:
    """One slot as the node computes it, cut into batches, and the hash of its result."""
    random = np.random.default_rng(1)
    names, half = [number.to_bytes(20, "big") for number in range(1, accounts + 1)], accounts // 2
    pairs = zip(
        random.integers(0, half, trades).tolist(),
        random.integers(half, accounts, trades).tolist(),
        random.integers(1, 2_000, trades).tolist(),
        strict=True,
    )
    matched = [
        Trade(number, b"b" + names[buyer], b"s" + names[seller], names[buyer], names[seller], wh, 150_000, 20_000)
        for number, (seller, buyer, wh) in enumerate(pairs)
    ]
    flow = random.integers(0, 20_000, accounts).tolist()
    flows = zip(names, flow, strict=True)
    metered = {name: Metered(wh, 0) if at < half else Metered(0, wh) for at, (name, wh) in enumerate(flows)}
    start = time.process_time()
    outcome = settle(1, 900, 0, matched, metered, PRICES, bytes(32), b"\xee" * 20)
    result_hash(outcome)
    taken_s = time.process_time() - start
    return {"cpu_s": taken_s, "trades": trades, "accounts": accounts, "batches": len(outcome.netting.parts)}


async def settle_in(db: Connection, homes: range) -> None:
    """Accounts, mandates and meters of all homes."""
    await found(db)
    accounts = [account_of(number) for number in homes]
    for statement in (
        "insert into blockchain.participants select $1, a, to_timestamp($2::bigint), 3, 276, 1"
        " from unnest($3::bytea[]) a",
        "insert into blockchain.mandates select $1, a, 100000000, 1000000000, to_timestamp($2::bigint), 1, 1"
        " from unnest($3::bytea[]) a",
    ):
        await db.execute(statement, CHAIN_ID, FAR, accounts)
    await db.execute(
        "insert into blockchain.account_balances (chain_id, account, cash, updated_block)"
        " select $1, a, 1000000000, 1 from unnest($2::bytea[]) a",
        *(CHAIN_ID, accounts),
    )
    for number, account in zip(homes, accounts, strict=True):
        await metering.register_meter(
            db, metering.Meter(number, account, "home", None, ZONE, "http", "d", "a", account, 100_000)
        )
    await db.execute(
        "insert into blockchain.meters select $1, m, a, $2, true, a, $3, 1"
        " from unnest($4::bigint[], $5::bytea[]) x (m, a)",
        *(CHAIN_ID, ZONE, bytes(32), list(homes), accounts),
    )
    await db.execute(
        "insert into blockchain.fact_participant_registry_meter_set (chain_id, block_number, log_index,"
        " transaction_hash, block_time, emitter, meter_id, owner, zone, active, key, plant_id)"
        " select $1, 1, m, $3, to_timestamp($6::bigint), a, m, a, $2, true, a, $3"
        " from unnest($4::bigint[], $5::bytea[]) x (m, a)",
        *(CHAIN_ID, ZONE, bytes(32), list(homes), accounts, SLOT - 1),
    )
    # The village that comes with the stand-in takes no part.
    for table in ("telemetry.meters", "blockchain.meters", "blockchain.fact_participant_registry_meter_set"):
        await db.execute(f"delete from {table} where meter_id < $1", FIRST)


async def trade(db: Connection, slot: int, homes: range, trades: int) -> None:
    """Every buyer meets one seller: as many trades as buyers."""
    entries = []
    for index in range(trades):
        for number, side, limit in ((homes[2 * index], SELL, 100_000), (homes[2 * index + 1], BUY, 250_000)):
            order = Order(account_of(number), ZONE, slot, side, 400, limit, 0, 0, 0, FAR, 0, slot)
            entries.append((order, sign(order_digest(DOMAIN, order), key_of(number))))
    await market.accept_orders(db, RULES, DOMAIN, CHAIN_ID, entries, slot - RULES.gate_lead_s - 100.0)
    await market.clear(db, RULES, ZONE, slot, slot - RULES.gate_lead_s)


async def meter(db: Connection, homes: range, slots: Iterable[int]) -> None:
    """A reading at each boundary: 410 Wh fed in by one home, taken by the next."""
    for counter, time_s in enumerate(slots, 1):
        said = []
        for number in homes:
            wh = 410 * (counter - 1)
            flow = (wh, 0) if number % 2 else (0, wh)
            reading = Reading(number, time_s, counter, 50_000 + flow[1 - number % 2], 90_000 + flow[0], 0)
            said.append(SignedReading(reading, sign(reading_digest(reading), key_of(number)), account_of(number)))
        await metering.accept(db, said, now_s=time_s, slot_s=SLOT_S)


async def slot_close(db: Connection, homes: int, trades: int) -> Row:
    """From a slot's end to what the outbox is asked for."""
    people = range(FIRST, FIRST + homes)
    await settle_in(db, people)
    slots = [SLOT + SLOT_S * number for number in range(CLOSED_SLOTS)]
    await meter(db, people, [*slots, slots[-1] + SLOT_S])
    taken = []
    for slot in slots:
        await trade(db, slot, people, trades)
        start, cpu = time.perf_counter(), time.process_time()
        settlement_id = await compute(db, CONTEXT, ZONE, slot, slot + SLOT_S)
        taken.append((time.perf_counter() - start, time.process_time() - cpu))
        assert isinstance(settlement_id, int), settlement_id
    computed_s, computed_cpu_s = max(taken)
    start = time.process_time()
    merkle.root(merkle.leaves(bytes(32), [merkle.MeteredSlot(number, SLOT, 0, 410, 0) for number in people]))
    floor_s = time.process_time() - start
    await ledger.mine(db)
    start, cpu = time.perf_counter(), time.process_time()
    changes = await advance(db, CONTEXT)
    batch_s, batch_cpu_s = time.perf_counter() - start, time.process_time() - cpu
    # The slots after it are attested, and sent when their turn comes.
    assert [change.state for change in changes] == ["submitted", *["attested"] * (len(slots) - 1)], changes
    return {
        "meters": homes,
        "trades": trades,
        "first_transaction_s": computed_s,
        "first_transaction_cpu_s": computed_cpu_s,
        "floor_s": floor_s,
        "batch_s": batch_s,
        "batch_cpu_s": batch_cpu_s,
    }


async def audit_slots(db: Connection, homes: int, trades: int) -> Row:
    """Settled slots, audited one after the other."""
    people = range(FIRST, FIRST + homes)
    await settle_in(db, people)
    slots = [SLOT + SLOT_S * number for number in range(AUDITED_SLOTS)]
    await meter(db, people, [*slots, slots[-1] + SLOT_S])
    for slot in slots:
        await trade(db, slot, people, trades)
        assert isinstance(await compute(db, CONTEXT, ZONE, slot, slot + SLOT_S), int)
        for _ in range(12):
            await ledger.mine(db)
            await advance(db, CONTEXT)
    start, cpu = time.perf_counter(), time.process_time()
    found = await audit.check_range(db, None, CONTEXT, ZONE, slots[0], slots[-1] + 1)
    taken_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu
    assert list(found) == slots, found
    assert not any(found.values()), next(iter(found.values()))[:3]
    day = SLOTS_A_DAY / len(slots)
    start = time.process_time()
    reading = Reading(FIRST, SLOT, 1, 1, 1, 0)
    signature = sign(reading_digest(reading), key_of(FIRST))
    for _ in range(homes + 2 * trades):
        SignedReading.recovered(reading, signature)
    floor_s = (time.process_time() - start) * SLOTS_A_DAY
    return {
        "meters": homes,
        "trades_a_slot": trades,
        "slots": len(slots),
        "day_s": taken_s * day,
        "day_cpu_s": cpu_s * day,
        "floor_s": floor_s,
    }


async def in_database(url: str, only: str) -> Row:
    async with open_pool(url, size=1) as pool, pool.acquire() as db, db.transaction():
        return await (slot_close(db, 10_000, 2_000) if only == "slot" else audit_slots(db, 1_000, 208))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("computed", "slot", "audit"))
    parser.add_argument("--json", action="store_true", help="machine-readable")
    options = parser.parse_args()
    rows: dict[str, Row] = {}
    if options.only in (None, "computed"):
        rows["columns"] = as_columns(1_000_000, 100_000)
        rows["trade by trade"] = trade_by_trade(20_000, 2_000)
    for only in ("slot", "audit"):
        if options.only in (None, only):
            with tempfile.TemporaryDirectory(prefix="gridtrace-bench-") as folder:
                server = PostgresServer(Path(folder) / "postgres", Path(folder) / "postgres.log")
                server.start()
                try:
                    migrate.upgrade(server.url)
                    rows[only] = asyncio.run(in_database(server.url, only))
                finally:
                    server.stop()
    if options.json:
        print(json.dumps(rows))
    else:
        for name, row in rows.items():
            print(f"{name}: " + ", ".join(f"{field} {value:,.2f}".removesuffix(".00") for field, value in row.items()))
    over = [name for name, (field, limit_s) in LIMITS_S.items() if name in rows and rows[name][field] > limit_s]
    if over:
        raise SystemExit(f"over their limit: {', '.join(f'{name} {LIMITS_S[name]}' for name in over)}")


if __name__ == "__main__":
    main()
