"""One slot against the real contracts: deployed on a chain, sent by the outbox, mirrored by the indexer, audited."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from api.cli.audit_report import check_logs
from contracts.abi import encode_call
from contracts.typed_data import Mandate, mandate_digest, sign
from indexer import read
from indexer.db import Connection, transaction
from node import participants
from node.audit import anchors
from node.audit import service as audit
from node.market import service as market
from node.metering import service as metering
from node.participants import Permit, permit_digest_of
from node.settlement import reads
from node.settlement.advance import advance
from node.settlement.context import SettlementContext
from node.settlement.reads import SettlementRow
from node.settlement.revise import revise
from node.settlement.service import compute
from tests.integration.node.settlement.onchain import GRID_NUMBER, Node, mirrored, settle
from tests.integration.node.settlement.village import (
    BYSTANDER,
    CHAIN_ID,
    END,
    FAR,
    FLOWS,
    GRID,
    HOME,
    NEIGHBOUR,
    PLANT,
    RULES,
    SLOT,
    ZONE,
    account_of,
    key_of,
    meter,
    meter_next,
    trade,
)

pytestmark = pytest.mark.integration

CASH = 10_000_000
LATE = 2**32 - 1


async def found(node: Node) -> None:
    """Registers everybody on chain, with money and mandates, and waits for the mirror."""
    until = datetime.fromtimestamp(FAR, UTC)
    people = [*FLOWS, GRID_NUMBER]
    async with transaction(node.pool) as db:
        for number in people:
            account = account_of(number)
            fields = {"account": account, "kyc_until": until, "country": 276, "request_id": "1"}
            await participants.register(db, node.chain, roles=["producer", "consumer"], **fields)
            await participants.faucet(db, node.chain, account=account, amount=CASH, request_id="1")
            permit = Permit(account, CASH, 0, LATE, b"")
            signed = replace(permit, signature=sign(permit_digest_of(node.chain, permit), key_of(number)))
            await participants.deposit(db, node.chain, signed)
            if number != BYSTANDER:
                mandate = Mandate(account, 10_000_000, 1_000_000_000, FAR, 1)
                signature = sign(mandate_digest(node.domain, mandate), key_of(number))
                await participants.set_mandate(db, node.chain, mandate, signature)
        for number in FLOWS:
            await announce(db, node, number)
    await mirrored(node)


async def announce(db: Connection, node: Node, number: int) -> None:
    account = account_of(number)
    await metering.register_meter(
        db, metering.Meter(number, account, "home", None, ZONE, "http", "d", "a", account, 100_000)
    )
    fields = {"owner": account, "zone": ZONE, "key": account, "plant_id": bytes(32), "request_id": "1"}
    await participants.announce_meter(db, node.chain, meter_id=number, **fields)


async def test_slots__real_contracts__settle_and_have_no_difference(node: Node) -> None:
    await found(node)
    async with transaction(node.pool) as db:
        await trade(db, domain=node.domain)
        await meter(db)
    await settle(node, SLOT)
    async with transaction(node.pool) as db:
        await trade(db, END, node.domain)
        await meter_next(db, END)
    await settle(node, END)

    async with transaction(node.pool) as db:
        for slot in (SLOT, END):
            assert await audit.check_and_store(db, node.rpc, node.ctx, ZONE, slot) == []
        assert await audit.check_balances(db, node.reader, node.ctx) == []
        assert await market.locked_cash(db, CHAIN_ID, account_of(PLANT)) == 0
        # In each slot 1,903 Wh were fed in and issued, 1,850 delivered.
        assert (await read.balance(db, CHAIN_ID, account_of(PLANT))).energy_wh == 2 * 53
        sequences = await db.fetch("select batch_sequence from trading.settlements order by delivery_start")
        assert [row["batch_sequence"] for row in sequences] == [0, 1]
        await db.execute("update blockchain.account_balances set cash = cash + 1 where account = $1", GRID)
        (finding,) = await audit.check_balances(db, node.reader, node.ctx)
        assert (finding.kind, int(finding.actual) - int(finding.expected)) == ("balance", 1)


def send(node: Node, anvil: Any, number: int, function: str, *arguments: int) -> None:
    """An account calls the exchange itself, and its transaction succeeds."""
    account = "0x" + account_of(number).hex()
    anvil.rpc("anvil_setBalance", [account, hex(10**20)])
    anvil.rpc("anvil_impersonateAccount", [account])
    call = {
        "from": account,
        "to": "0x" + node.chain.deployment.address("SettlementExchange").hex(),
        "data": "0x" + encode_call("SettlementExchange", function, *arguments).hex(),
        "gas": hex(500_000),
    }
    receipt = anvil.rpc("eth_getTransactionReceipt", [anvil.rpc("eth_sendTransaction", [call])])
    assert int(receipt["status"], 16) == 1


async def voids(node: Node, slot: int) -> list[tuple[bytes, str]]:
    async with node.pool.acquire() as db:
        rows = await db.fetch(
            "select v.account, v.reason from trading.settlement_voids v join trading.settlements s"
            " using (settlement_id) where s.delivery_start = to_timestamp($1::bigint)",
            slot,
        )
    return [(row["account"], row["reason"]) for row in rows]


async def test_slots__traders_fall_out_after_the_gate__settle_without_them(node: Node, anvil: Any) -> None:
    await found(node)
    async with transaction(node.pool) as db:
        await trade(db, domain=node.domain)
        await meter(db)
    send(node, anvil, HOME, "raiseNonce", SLOT + 1)
    await settle(node, SLOT)

    async with transaction(node.pool) as db:
        await trade(db, END, node.domain)
        await meter_next(db, END)
        neighbour = await read.balance(db, CHAIN_ID, account_of(NEIGHBOUR))
    send(node, anvil, NEIGHBOUR, "requestWithdrawal", neighbour.cash, 0)
    anvil.rpc("evm_increaseTime", [3_601])
    anvil.rpc("evm_mine")
    send(node, anvil, NEIGHBOUR, "executeWithdrawal")
    await settle(node, END)

    assert await voids(node, SLOT) == [(account_of(HOME), "nonce-raised")]
    assert await voids(node, END) == [(account_of(NEIGHBOUR), "cash-short")]
    async with transaction(node.pool) as db:
        for slot in (SLOT, END):
            assert await audit.check_and_store(db, node.rpc, node.ctx, ZONE, slot) == []
        assert await db.fetchval("select sum(locked_cash) from trading.orders") == 0
        # What is voided was judged by the contract, and would not pass with another reason.
        await db.execute("update trading.settlement_voids set reason = 'not-cleared'")
        findings = await audit.check_slot(db, node.reader, node.ctx, ZONE, END)
        assert [(finding.kind, finding.expected, finding.actual) for finding in findings] == [
            ("void", "cash-short", "not-cleared")
        ]


async def advance_all(node: Node, ctx: SettlementContext, zone_slot: int) -> SettlementRow:
    """Brings everything of a slot on chain that there is."""
    for _ in range(40):
        await mirrored(node)
        async with transaction(node.pool) as db:
            await advance(db, ctx)
            newest = await reads.settlement(db, ZONE, zone_slot)
            if newest.state in ("settled", "failed"):
                return newest
    raise AssertionError(newest)


async def test_slot__several_batches_and_a_chain_that_forgets_two__settles_without_a_difference(
    node: Node, anvil: Any
) -> None:
    await found(node)
    small = replace(node.ctx, most_entries=2)
    async with transaction(node.pool) as db:
        await trade(db, domain=node.domain)
        await meter(db)
        assert isinstance(await compute(db, small, ZONE, SLOT, END), int)
    for _ in range(2):
        await mirrored(node)
        async with transaction(node.pool) as db:
            await advance(db, small)
    await mirrored(node)
    before = anvil.rpc("evm_snapshot", [])
    for _ in range(2):
        async with transaction(node.pool) as db:
            await advance(db, small)
        await mirrored(node)
    assert anvil.rpc("evm_revert", [before]) is True
    for _ in range(12):  # another branch, longer than the one that is gone
        anvil.rpc("evm_mine", [])

    settled = await advance_all(node, small, SLOT)

    assert (settled.state, settled.batches) == ("settled", 6)
    async with transaction(node.pool) as db:
        head = await read.head(db, CHAIN_ID)
        assert head is not None
        assert head.reorg_epoch > 0
        sequences = await db.fetch("select batch_sequence from trading.settlement_batches order by ordinal")
        assert [row["batch_sequence"] for row in sequences] == [0, 1, 2, 3, 4, 5]
        assert await audit.check_and_store(db, node.rpc, node.ctx, ZONE, SLOT) == []
        assert await audit.check_balances(db, node.reader, node.ctx) == []


async def test_slot__late_meter_after_the_next_slot__is_revised_on_chain(node: Node) -> None:
    await found(node)
    late = {HOME: FLOWS[HOME]}
    async with transaction(node.pool) as db:
        await trade(db, domain=node.domain)
        await meter(db, {number: flow for number, flow in FLOWS.items() if number != HOME})
        computed = await compute(db, node.ctx, ZONE, SLOT, END + RULES.reading_grace_s)
        assert isinstance(computed, int)
    assert (await advance_all(node, node.ctx, SLOT)).state == "settled"
    async with transaction(node.pool) as db:
        await db.execute("update trading.settlements set computed_at = computed_at - interval '1 minute'")
        await db.execute("update telemetry.readings set received_at = received_at - interval '2 minutes'")
        await meter(db, late)
        await trade(db, END, node.domain)
        await meter_next(db, END)
    await settle(node, END)

    async with transaction(node.pool) as db:
        home = (await read.balance(db, CHAIN_ID, account_of(HOME))).cash
        assert await revise(db, node.ctx, ZONE, SLOT, END + RULES.reading_grace_s) is not None
    revised = await advance_all(node, node.ctx, SLOT)

    assert (revised.version, revised.state, revised.missing_meters) == (1, "settled", 0)
    async with transaction(node.pool) as db:
        assert (await read.balance(db, CHAIN_ID, account_of(HOME))).cash < home
        for slot in (SLOT, END):
            assert await audit.check_and_store(db, node.rpc, node.ctx, ZONE, slot) == []
        assert await audit.check_balances(db, node.reader, node.ctx) == []
        # The logs are anchored by the same call that attests registers.
        assert len(await anchors.ask(db, node.ctx, END)) == 2
    await mirrored(node)
    async with transaction(node.pool) as db:
        anchored = await db.fetchval(
            "select count(*) from blockchain.fact_production_ledger_registers_attested where zone = any($1::bigint[])",
            list(anchors.ZONES.values()),
        )
        assert anchored == 2
        # What the chain itself says, and not only its mirror.
        logs, findings = await check_logs(db, node.rpc, CHAIN_ID, node.chain.deployment)
        assert findings == []
        assert [one.anchored > 0 for one in logs] == [True, True]
        await db.execute(
            "update blockchain.fact_production_ledger_registers_attested set readings_root = sha256('')"
            " where zone = $1",
            anchors.ZONES[anchors.EVENTS],
        )
        (other,) = (await check_logs(db, node.rpc, CHAIN_ID, node.chain.deployment))[1]
        assert other.subject.startswith(f"trading.events row {logs[1].anchored} anchor in block")
