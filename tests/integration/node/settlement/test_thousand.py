"""A thousand homes on real contracts: one slot, several batches, no difference."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from contracts.abi import encode_call
from contracts.typed_data import Mandate, Order, Reading, mandate_digest, order_digest, reading_digest, sign
from indexer import read
from indexer.db import transaction
from node.audit import service as audit
from node.market import service as market
from node.metering import service as metering
from node.metering.readings import SignedReading
from node.participants import Permit, permit_digest_of
from node.settlement import reads
from node.settlement.advance import advance
from node.settlement.service import compute
from tests.integration.node.settlement.onchain import GRID_NUMBER, OPERATOR, Node, mirrored
from tests.integration.node.settlement.village import (
    BUY,
    CHAIN_ID,
    END,
    FAR,
    RULES,
    SELL,
    SLOT,
    SLOT_S,
    ZONE,
    account_of,
    key_of,
)

pytestmark = pytest.mark.integration

HOMES = range(2_001, 3_001)
CASH = 10_000_000
LATE = 2**32 - 1
MINED_AT_ONCE = 200


def calls(node: Node, number: int) -> Iterator[tuple[str, bytes]]:
    """What the operator sends for one home: its clearance, money, deposit, mandate and meter."""
    account = account_of(number)
    yield "ParticipantRegistry", encode_call("ParticipantRegistry", "setParticipant", account, FAR, 3, 276)
    yield "PaymentToken", encode_call("PaymentToken", "mint", account, CASH)
    permit = Permit(account, CASH, 0, LATE, b"")
    signature = sign(permit_digest_of(node.chain, permit), key_of(number))
    v, r, s = signature[64], signature[:32], signature[32:64]
    yield "SettlementExchange", encode_call("SettlementExchange", "depositWithPermit", account, CASH, LATE, v, r, s)
    mandate = Mandate(account, CASH, CASH, FAR, 1)
    fields = (account, CASH, CASH, FAR, 1)
    signed = sign(mandate_digest(node.domain, mandate), key_of(number))
    yield "SettlementExchange", encode_call("SettlementExchange", "setMandate", fields, signed)
    if number != GRID_NUMBER:
        meter = (number, account, ZONE, True, account, bytes(32))
        yield "ParticipantRegistry", encode_call("ParticipantRegistry", "setMeter", *meter)


async def found(node: Node, anvil: Any) -> None:
    """Everybody on chain, in blocks of many transactions."""
    operator = "0x" + account_of(OPERATOR).hex()
    anvil.rpc("anvil_setBalance", [operator, hex(10**24)])
    anvil.rpc("anvil_impersonateAccount", [operator])
    anvil.rpc("evm_setAutomine", [False])
    nonce = int(anvil.rpc("eth_getTransactionCount", [operator, "pending"]), 16)
    pending = [call for number in (GRID_NUMBER, *HOMES) for call in calls(node, number)]
    async with httpx.AsyncClient(timeout=60) as client:
        for start in range(0, len(pending), MINED_AT_ONCE):
            sent = [
                {
                    "jsonrpc": "2.0",
                    "id": index,
                    "method": "eth_sendTransaction",
                    "params": [
                        {
                            "from": operator,
                            "to": "0x" + node.chain.deployment.address(contract).hex(),
                            "data": "0x" + data.hex(),
                            "gas": hex(150_000),
                            "nonce": hex(nonce + start + index),
                        }
                    ],
                }
                for index, (contract, data) in enumerate(pending[start : start + MINED_AT_ONCE])
            ]
            answers = (await client.post(anvil.url, json=sent)).json()
            assert not (refused := [answer for answer in answers if "result" not in answer]), refused[0]
            anvil.rpc("evm_mine", [])
    anvil.rpc("evm_setAutomine", [True])
    last = int(anvil.rpc("eth_blockNumber", []), 16)
    for _ in range(600):
        async with node.pool.acquire() as db:
            head = await read.head(db, CHAIN_ID)
        if head is not None and head.number >= last:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(head)


def order(node: Node, number: int) -> tuple[Order, bytes]:
    """Every fifth home sells; prices and quantities differ."""
    side = SELL if number % 5 == 0 else BUY
    energy_wh = 2_000 + number % 97 if side == SELL else 400 + number % 89
    limit = 100_000 + number % 13 * 100 if side == SELL else 250_000 - number % 17 * 100
    terms = Order(account_of(number), ZONE, SLOT, side, energy_wh, limit, 0, 0, 0, FAR, 0, SLOT)
    return terms, sign(order_digest(node.domain, terms), key_of(number))


def readings(number: int) -> Iterator[SignedReading]:
    """Nobody exactly as traded."""
    flow = (0, 2_000 + number % 61) if number % 5 == 0 else (430 + number % 71, 0)
    for counter, (time, part) in enumerate(((SLOT, 0), (END, 1)), 1):
        reading = Reading(number, time, counter, 50_000 + flow[0] * part, 90_000 + flow[1] * part, 0)
        yield SignedReading.recovered(reading, sign(reading_digest(reading), key_of(number)))


async def test_slot__thousand_homes__settles_in_several_batches_without_a_difference(node: Node, anvil: Any) -> None:
    await found(node, anvil)
    async with transaction(node.pool) as db:
        for number in HOMES:
            account = account_of(number)
            await metering.register_meter(
                db, metering.Meter(number, account, "home", None, ZONE, "http", "d", "a", account, 100_000)
            )
        orders = [order(node, number) for number in HOMES]
        await market.accept_orders(db, RULES, node.domain, CHAIN_ID, orders, SLOT - RULES.gate_lead_s - 100.0)
        await market.clear(db, RULES, ZONE, SLOT, SLOT - RULES.gate_lead_s)
        said = [reading for number in HOMES for reading in readings(number)]
        await metering.accept(db, said, now_s=END, slot_s=SLOT_S)
        assert isinstance(await compute(db, node.ctx, ZONE, SLOT, END), int)
    states: list[str] = []
    for _ in range(30):
        await mirrored(node)
        async with transaction(node.pool) as db:
            states += [change.state for change in await advance(db, node.ctx)]
        if "settled" in states:
            break

    async with transaction(node.pool) as db:
        settled = await reads.settlement(db, ZONE, SLOT)
        made = await reads.batches(db, settled.settlement_id)
        assert settled.state == "settled", settled
        assert settled.trades > 800
        assert settled.batches == len(made) >= 5
        assert all(batch.gas_used is None or batch.gas_used < 16_777_216 for batch in made)
        assert await audit.check_and_store(db, node.rpc, node.ctx, ZONE, SLOT) == []
        assert await audit.check_balances(db, node.reader, node.ctx) == []
        traded = await db.fetchval("select sum(energy_wh) from trading.trades")
        filled = await db.fetchval("select sum(fill_wh) from blockchain.settled_orders where side = 0")
        assert traded == filled
        assert await db.fetchval("select count(*) from trading.settlement_voids") == 0
