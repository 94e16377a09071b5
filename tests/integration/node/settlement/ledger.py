"""Stands in for chain and indexer together: takes what the outbox asks for and stores the facts that would follow."""

import eth_abi

from contracts.abi import selector
from contracts.settlement_batch import decode_registers
from indexer.db import Connection
from tests.integration.node.settlement.village import CHAIN_ID

HEADER, ORDER, ADJUSTMENT = 26, 141, 28


async def mine(
    db: Connection, *, fail: str | None = None, error: str = "MandateExceeded", is_final: bool = True
) -> int:
    """One block with every queued transaction; those of the kind ``fail`` revert with ``error``. Returns its number.

    A block in which something fails is final at once unless ``is_final`` says otherwise.
    """
    number: int = await db.fetchval(
        "update blockchain.cursors set block_number = block_number + 1, block_hash = sha256(block_hash)"
        " where chain_id = $1 returning block_number",
        CHAIN_ID,
    )
    await db.execute(
        "insert into blockchain.blocks (chain_id, number, hash, parent_hash, timestamp)"
        " select chain_id, block_number, block_hash, block_hash, now() from blockchain.cursors on conflict do nothing"
    )
    rows = await db.fetch("select id, kind, calldata from wallet.outbox where state = 'queued' order by id")
    for index, row in enumerate(rows):
        if row["kind"] == fail:
            state, reason = "failed", error
        else:
            state, reason = "mined", None
            await apply(db, number, index, row["calldata"], transaction(row["id"], number))
        await db.execute(
            "update wallet.outbox set state = $2, error = $3, block_number = $4, gas_used = 100000,"
            " transaction_hash = $5, raw_transaction = null where id = $1",
            row["id"],
            state,
            reason,
            number,
            transaction(row["id"], number),
        )
        if state == "failed" and is_final:
            await finalise(db, number)
    return number


async def finalise(db: Connection, number: int) -> None:
    """No reorganisation reaches this block any more."""
    await db.execute("update blockchain.cursors set finalized_number = $2 where chain_id = $1", CHAIN_ID, number)


def transaction(outbox_id: int, block: int) -> bytes:
    return outbox_id.to_bytes(16) + block.to_bytes(16)


async def apply(db: Connection, block: int, index: int, calldata: bytes, transaction_hash: bytes = bytes(32)) -> None:
    name, arguments = calldata[:4], calldata[4:]
    if name == selector("ProductionLedger", "attest"):
        zone, slot_end, root, registers = eth_abi.decode(("uint32", "uint64", "bytes32", "bytes"), arguments)
        await attest(db, block, index, zone, slot_end, root, registers)
    elif name == selector("ProductionLedger", "issue"):
        (meters,) = eth_abi.decode(("uint32[]",), arguments)
        await db.execute(ISSUE, CHAIN_ID, list(meters), block)
    else:
        assert name == selector("SettlementExchange", "settleBatch")
        (batch,) = eth_abi.decode(("bytes",), arguments)
        await settle(db, block, index, batch, transaction_hash)


ISSUE = """
with issued as (
    update blockchain.registers r set issued_wh = r.attested_wh, updated_block = $3
    from blockchain.registers before
    where r.chain_id = $1 and r.meter_id = any($2::bigint[])
      and before.chain_id = r.chain_id and before.meter_id = r.meter_id
    returning r.meter_id, r.attested_wh - before.issued_wh as minted_wh
)
update blockchain.account_balances b
set energy_wh = b.energy_wh + issued.minted_wh, updated_block = $3
from issued join blockchain.meters m on m.chain_id = $1 and m.meter_id = issued.meter_id
where b.chain_id = $1 and b.account = m.owner
"""


async def attest(
    db: Connection, block: int, index: int, zone: int, slot_end: int, root: bytes, registers: bytes
) -> None:
    await db.execute(
        "insert into blockchain.fact_production_ledger_registers_attested (chain_id, block_number, log_index,"
        " transaction_hash, block_time, emitter, zone, slot_end, readings_root, registers)"
        " values ($1, $2, $3, $4, now(), $4, $5, $6, $7, $8)",
        *(CHAIN_ID, block, index, bytes(32), zone, slot_end, root, registers),
    )
    for entry, (meter_id, register_wh) in enumerate(decode_registers(registers)):
        await db.execute(
            "insert into blockchain.attested_registers"
            " values ($1, $2, $3, $4, $5, $6, to_timestamp($7::bigint), $8, $9, $10)",
            *(CHAIN_ID, block, index, entry, bytes(32), zone, slot_end, root, meter_id, register_wh),
        )
        # A meter's first attestation is its baseline: it issues nothing.
        await db.execute(
            "insert into blockchain.registers values ($1, $2, $3, $3, to_timestamp($4::bigint), $5)"
            " on conflict (chain_id, meter_id) do update set attested_wh = excluded.attested_wh,"
            " slot_end = excluded.slot_end, updated_block = excluded.updated_block",
            *(CHAIN_ID, meter_id, register_wh, slot_end, block),
        )


def number(data: bytes, start: int, length: int, *, signed: bool = False) -> int:
    return int.from_bytes(data[start : start + length], "big", signed=signed)


async def settle(db: Connection, block: int, index: int, batch: bytes, transaction_hash: bytes) -> None:
    sequence, slot = number(batch, 0, 8), number(batch, 8, 8)
    version, orders, adjustments = number(batch, 16, 2), number(batch, 18, 2), number(batch, 24, 2)
    expected = await db.fetchval("select next_sequence from blockchain.exchange_totals where chain_id = $1", CHAIN_ID)
    assert sequence == expected
    fee = 0
    place = (CHAIN_ID, block, index)
    for entry in range(orders):
        fill = batch[HEADER + entry * ORDER :][:ORDER]
        side, money, delivered_wh = fill[20], number(fill, 39, 8, signed=True), number(fill, 47, 6)
        sign = -1 if side == 0 else 1
        fee -= sign * money
        await move(db, block, fill[:20], sign * money, -sign * delivered_wh)
        names = (number(fill, start, length) for start, length in ((21, 4), (25, 2), (27, 6), (33, 6)))
        await db.execute(
            "insert into blockchain.settled_orders values"
            " ($1, $2, $3, $4, $5, $6, to_timestamp($7::bigint), $8, $9, $10, $11, $12, $13, $14, $15, $16)",
            *(*place, entry, bytes(32), sequence, slot, version, fill[:20], side, *names, money, delivered_wh),
        )
    for entry in range(adjustments):
        item = batch[HEADER + orders * ORDER + entry * ADJUSTMENT :][:ADJUSTMENT]
        money = number(item, 20, 8, signed=True)
        fee -= money
        await move(db, block, item[:20], money, 0)
        await db.execute(
            "insert into blockchain.settled_imbalances values"
            " ($1, $2, $3, $4, $5, $6, to_timestamp($7::bigint), $8, $9, $10)",
            *(*place, entry, bytes(32), sequence, slot, version, item[:20], money),
        )
    assert fee >= 0
    await db.execute(
        "insert into blockchain.fact_settlement_exchange_orders_settled"
        " (chain_id, block_number, log_index, transaction_hash, block_time, emitter,"
        "  sequence, delivery_start, version, fee, entries)"
        " values ($1, $2, $3, $4, now(), $4, $5, $6, $7, $8, $4)",
        *(*place, transaction_hash, sequence, slot, version, fee),
    )
    await db.execute(
        "update blockchain.exchange_totals set next_sequence = $2, fees = fees + $3 where chain_id = $1",
        *(CHAIN_ID, sequence + 1, fee),
    )


async def move(db: Connection, block: int, account: bytes, cash: int, energy_wh: int) -> None:
    after = await db.fetchrow(
        "update blockchain.account_balances set cash = cash + $3, energy_wh = energy_wh + $4, updated_block = $5"
        " where chain_id = $1 and account = $2 returning cash, energy_wh",
        *(CHAIN_ID, account, cash, energy_wh, block),
    )
    assert after is not None
    assert after["cash"] >= 0
    assert after["energy_wh"] >= 0


UNDO = """
with moved as (
    select trader as account, case side when 0 then -money else money end as cash,
        case side when 0 then delivered_wh else -delivered_wh end as energy_wh
    from blockchain.settled_orders where chain_id = $1 and block_number >= $2
    union all
    select account, money, 0 from blockchain.settled_imbalances where chain_id = $1 and block_number >= $2
), sums as (
    select account, sum(cash) as cash, sum(energy_wh) as energy_wh from moved group by account
)
update blockchain.account_balances b set cash = b.cash - sums.cash, energy_wh = b.energy_wh - sums.energy_wh
from sums where b.chain_id = $1 and b.account = sums.account
"""


async def reorganise(db: Connection, block: int) -> None:
    """Takes everything from ``block`` on out of the mirror; the transactions are on their way again."""
    await db.execute(UNDO, CHAIN_ID, block)
    for table in ("settled_orders", "settled_imbalances", "fact_settlement_exchange_orders_settled"):
        await db.execute(f"delete from blockchain.{table} where chain_id = $1 and block_number >= $2", CHAIN_ID, block)
    await db.execute("update blockchain.exchange_totals set next_sequence = 0, fees = 0 where chain_id = $1", CHAIN_ID)
    await db.execute("update wallet.outbox set state = 'queued', block_number = null where block_number >= $1", block)
    await db.execute(
        "update blockchain.cursors set block_number = $2, reorg_epoch = reorg_epoch + 1 where chain_id = $1",
        CHAIN_ID,
        block - 1,
    )
