"""A settled slot has no differences; every tampering with it is named."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from contracts.typed_data import checksum
from indexer.db import Connection
from node.audit import service
from node.audit.chain import VaultAccount, VaultAccountLane, VaultLane, VaultMandate
from node.metering import service as metering
from node.outbox import RpcError
from node.settlement.advance import advance
from node.settlement.service import compute
from tests.integration.node.settlement import ledger
from tests.integration.node.settlement.village import (
    BYSTANDER,
    CHAIN_ID,
    CONTEXT,
    END,
    FAR,
    FLOWS,
    HOME,
    PLANT,
    RULES,
    SLOT,
    SLOT_S,
    ZONE,
    Flow,
    account_of,
    announce,
    meter,
    meter_next,
    trade,
)

pytestmark = pytest.mark.integration


TAMPERINGS = (
    (
        f"update telemetry.readings set import_wh = import_wh + 1 where meter_id = {HOME} and counter = 3",
        ("reading", f"meter {HOME} time {END} counter 3"),
    ),
    (
        f"update telemetry.readings set import_wh = import_wh + 1 where meter_id = {HOME} and counter = 2",
        ("reading", f"meter {HOME} time {SLOT + 450} counter 2"),
    ),
    (
        f"delete from telemetry.readings where meter_id = {PLANT} and counter = 3",
        ("slot_energy", f"meter {PLANT} state"),
    ),
    (
        f"update telemetry.meters set owner = (select owner from telemetry.meters where meter_id = {HOME})"
        f" where meter_id = {BYSTANDER}",
        ("meter", f"meter {BYSTANDER} owner"),
    ),
    (
        f"update telemetry.slot_energy set export_wh = export_wh + 1 where meter_id = {PLANT}",
        ("slot_energy", f"meter {PLANT} export_wh"),
    ),
    ("update trading.trades set energy_wh = energy_wh + 1 where trade_number = 1", ("trade", "trade 1 energy_wh")),
    (
        "update trading.trades set delivered_wh = delivered_wh - 1 where trade_number = 0",
        ("trade", "trade 0 delivered_wh"),
    ),
    ("delete from trading.trades where trade_number = 1", ("trade", "trade 1")),
    (
        "update trading.settlements set delivered_wh = delivered_wh + 1",
        ("settlement", f"slot {SLOT} delivered_wh"),
    ),
    ("update trading.settlements set block_number = 11", ("settlement", f"slot {SLOT} block_number")),
    ("update trading.settlement_batches set block_number = 11", ("batch", "batch 0 block_number")),
    ("update trading.settlement_batches set batch = batch || '\\x00'", ("batch", "batch 0 bytes")),
    (
        "update trading.settlement_accounts set imbalance_money_nano = imbalance_money_nano + 1"
        f" where account = '\\x{account_of(HOME).hex()}'",
        ("account", f"{checksum(account_of(HOME))} imbalance_money_nano"),
    ),
    ("update trading.settlement_charges set cap = cap + 1", ("batch", "batch 0 bytes")),
    (
        f"update trading.settlement_charges set cap = 1 where account = '\\x{account_of(BYSTANDER).hex()}'",
        ("charge", f"{checksum(account_of(BYSTANDER))} charged"),
    ),
    (
        f"update trading.settlement_charges set cap = 0 where account = '\\x{account_of(PLANT).hex()}'",
        ("charge", f"{checksum(account_of(PLANT))} charged"),
    ),
    (
        f"update blockchain.settled_imbalances set money = money - 1 where account = '\\x{account_of(PLANT).hex()}'",
        ("settled_imbalance", f"{checksum(account_of(PLANT))} money"),
    ),
    (
        f"update blockchain.attested_registers set register_wh = register_wh + 1 where meter_id = {PLANT}"
        f" and slot_end = to_timestamp({END})",
        ("register", f"meter {PLANT} register_wh"),
    ),
    (
        f"update blockchain.attested_registers set register_wh = register_wh + 1 where meter_id = {PLANT}"
        f" and slot_end = to_timestamp({SLOT})",
        ("register", f"meter {PLANT} baseline register_wh"),
    ),
    (
        f"update blockchain.account_balances set cash = cash + 1 where account = '\\x{account_of(PLANT).hex()}'",
        ("balance", f"{checksum(account_of(PLANT))} cash"),
    ),
    (
        "update trading.auctions set clearing_price_per_kwh = clearing_price_per_kwh + 100",
        ("auction", f"slot {SLOT} clearing_price_per_kwh"),
    ),
    (
        "update trading.auctions set book = set_byte(book, 120, get_byte(book, 120) # 1)",
        ("auction", f"slot {SLOT} book_hash"),
    ),
    ("update trading.events set payload = payload || '\\x00' where sequence = 2", ("sequence", "event 2 hash")),
    ("delete from trading.events where sequence = 2", ("book", "order 2")),
)


VOID_TAMPERINGS = (
    ("update trading.settlement_voids set reason = 'cash-short'", ("void", "{order} reason")),
    (
        f"update trading.settlement_voids set account = '\\x{account_of(PLANT).hex()}'",
        ("void", "{order} account"),
    ),
    ("update trading.settlement_voids set as_of_block = 12", ("void", "{order}")),
    ("delete from trading.settlement_voids", ("settlement", f"slot {SLOT} traded_wh")),
    (
        "insert into trading.settlement_voids select settlement_id, t.sell_order, t.seller, 'energy-short',"
        " as_of_block, as_of_hash from trading.settlement_voids, trading.trades t limit 1",
        ("settlement", f"slot {SLOT} traded_wh"),
    ),
    ("update trading.trades set settlement_status = 'settled'", ("trade", "trade 0 settlement_status")),
)
"""Done to a slot without the home's order, which the home voided by raising its nonce."""


class Contract:
    """A chain whose contract holds what the mirror said when this was made. Mandates were ample all along."""

    def __init__(self, accounts: dict[bytes, VaultAccount]) -> None:
        self.accounts = accounts
        self._only: bytes | None = None
        self._before: dict[bytes, dict[bytes, VaultAccount]] = {}

    def had(self, block_hash: bytes, before: "Contract") -> None:
        """What it held at a block."""
        self._before[block_hash] = before.accounts

    def forgets_all_but(self, block_hash: bytes) -> None:
        """As a node that keeps no old states, or one that was started again."""
        self._only = block_hash

    @classmethod
    async def of(cls, db: Connection) -> "Contract":
        rows = await db.fetch("select account, cash, energy_wh, nonce from blockchain.account_balances")
        return cls({row[0]: VaultAccount(int(row[1]), int(row[2]), row[3]) for row in rows})

    async def accounts_of(self, accounts: Sequence[bytes], block_hash: bytes) -> list[VaultAccount]:
        assert len(block_hash) == 32
        if self._only not in (None, block_hash):
            raise RpcError("eth_call", {"code": -32602, "message": "BlockOutOfRangeError"})
        held = self._before.get(block_hash, self.accounts)
        return [held[account] for account in accounts]

    async def mandates_of(self, accounts: Sequence[bytes], block_hash: bytes) -> list[VaultMandate]:
        ample = VaultMandate(100_000_000, 1_000_000_000, FAR)
        return [VaultMandate(0, 0, 0) if account == account_of(BYSTANDER) else ample for account in accounts]

    async def clearances_of(self, accounts: Sequence[bytes], block_hash: bytes) -> list[int]:
        return [FAR for _ in accounts]

    async def account_lanes_of(self, accounts: Sequence[bytes], block_hash: bytes) -> list[VaultAccountLane]:
        return [VaultAccountLane(0, 0, 0) for _ in accounts]

    async def lanes_of(self, lanes: Sequence[tuple[bytes, int]], block_hash: bytes) -> list[VaultLane]:
        return [VaultLane(0, 0) for _ in lanes]


async def settle(db: Connection, slot: int = SLOT) -> None:
    await trade(db, slot)
    await meter(db, FLOWS, slot)
    assert isinstance(await compute(db, CONTEXT, ZONE, slot, slot + SLOT_S), int)
    for _ in range(2):
        await ledger.mine(db)
        await advance(db, CONTEXT)


async def void_home(db: Connection) -> tuple[bytes, dict[bytes, VaultAccount]]:
    """Settles a slot in which the home voids its order after the gate; returns what held when that was judged."""
    await trade(db)
    await meter(db)
    assert isinstance(await compute(db, CONTEXT, ZONE, SLOT, END), int)
    await db.execute("update blockchain.account_balances set nonce = $2 where account = $1", account_of(HOME), SLOT + 1)
    await ledger.mine(db)
    judged_at: bytes = await db.fetchval("select block_hash from blockchain.cursors")
    before = (await Contract.of(db)).accounts
    await advance(db, CONTEXT)
    await ledger.mine(db)
    await advance(db, CONTEXT)
    return judged_at, before


async def kinds(db: Connection, chain: Contract) -> set[tuple[str, str]]:
    findings = await service.check_slot(db, chain, CONTEXT, ZONE, SLOT)
    return {(finding.kind, finding.subject) for finding in findings}


async def test_check_slot__settled_slot__has_no_difference(db: Connection) -> None:
    await settle(db)
    assert await service.check_slot(db, await Contract.of(db), CONTEXT, ZONE, SLOT) == []


async def test_check_slot__two_slots_in_a_row__have_no_difference(db: Connection) -> None:
    await settle(db)
    settled = await db.fetchval("select count(*) from blockchain.settled_orders")
    await second_slot(db)
    assert await db.fetchval("select count(*) from blockchain.settled_orders") == 2 * settled
    chain = await Contract.of(db)
    found = await service.check_range(db, chain, CONTEXT, ZONE, SLOT, SLOT + 2 * SLOT_S)
    assert found == {SLOT: [], SLOT + SLOT_S: []}
    assert await service.check_balances(db, chain, CONTEXT) == []


async def second_slot(db: Connection) -> None:
    slot = SLOT + SLOT_S
    await trade(db, slot)
    await meter_next(db, slot)
    assert isinstance(await compute(db, CONTEXT, ZONE, slot, slot + SLOT_S), int)
    for _ in range(2):
        await ledger.mine(db)
        await advance(db, CONTEXT)


async def test_check_slot__missing_meter_that_comes_later__is_no_difference(db: Connection) -> None:
    await trade(db)
    await meter(db, {number: flow for number, flow in FLOWS.items() if number != BYSTANDER})
    assert isinstance(await compute(db, CONTEXT, ZONE, SLOT, END + RULES.reading_grace_s), int)
    for _ in range(2):
        await ledger.mine(db)
        await advance(db, CONTEXT)
    await meter(db, {BYSTANDER: FLOWS[BYSTANDER]})
    assert await service.check_slot(db, await Contract.of(db), CONTEXT, ZONE, SLOT) == []


async def test_check_slot__tampered__names_it(db: Connection) -> None:
    await settle(db)
    chain = await Contract.of(db)
    unseen = []
    for statement, named in TAMPERINGS:
        tampering = db.transaction()
        await tampering.start()
        status = await db.execute(statement)
        assert not status.endswith(" 0"), f"nothing was tampered with: {statement}"
        if named not in await kinds(db, chain):
            unseen.append((statement, named))
        await tampering.rollback()
    assert unseen == []
    assert await kinds(db, chain) == set()


async def test_check_slot__voided_order__is_judged_again(db: Connection) -> None:
    judged_at, before = await void_home(db)
    chain = await Contract.of(db)
    chain.had(judged_at, Contract(before))
    assert await service.check_slot(db, chain, CONTEXT, ZONE, SLOT) == []
    digest = await db.fetchval("select digest from trading.settlement_voids")
    unseen = []
    for statement, (kind, subject) in VOID_TAMPERINGS:
        tampering = db.transaction()
        await tampering.start()
        status = await db.execute(statement)
        assert not status.endswith(" 0"), f"nothing was tampered with: {statement}"
        if (kind, subject.format(order=f"order 0x{digest.hex()}")) not in await kinds(db, chain):
            unseen.append((statement, await kinds(db, chain)))
        await tampering.rollback()
    assert unseen == []


async def test_check_slot__void_without_a_reason__is_named(db: Connection) -> None:
    judged_at, before = await void_home(db)
    # The contract says that the home's nonce was never raised.
    honest = await Contract.of(db)
    honest.had(judged_at, Contract({account: replace(vault, min_nonce=0) for account, vault in before.items()}))
    found = await service.check_slot(db, honest, CONTEXT, ZONE, SLOT)
    assert [(finding.kind, finding.expected, finding.actual) for finding in found] == [
        ("void", "nothing", "reason=nonce-raised")
    ]


async def test_check_slot__chain_without_that_state__checks_all_the_rest(db: Connection) -> None:
    await void_home(db)
    chain = await Contract.of(db)
    head = await db.fetchval("select block_hash from blockchain.cursors")
    chain.forgets_all_but(head)
    assert await service.check_slot(db, chain, CONTEXT, ZONE, SLOT) == []


async def test_check_slot__meter_unknown_to_the_chain__is_named(db: Connection) -> None:
    ghost = account_of(66)
    await metering.register_meter(db, metering.Meter(66, ghost, "home", None, ZONE, "http", "d", "a", ghost, 100_000))
    await trade(db)
    await meter(db, {**FLOWS, 66: Flow(export_wh=24_000)})
    assert isinstance(await compute(db, CONTEXT, ZONE, SLOT, END), int)
    for _ in range(2):
        await ledger.mine(db)
        await advance(db, CONTEXT)
    chain = await Contract.of(db)
    assert await service.check_slot(db, chain, CONTEXT, ZONE, SLOT) == []
    assert not await db.fetchval("select count(*) from blockchain.settled_imbalances where account = $1", ghost)

    await db.execute(
        "insert into telemetry.slot_energy select 66, delivery_start, slot_s, 0, 0, 0, 0, 0, 'MISSING'"
        " from telemetry.slot_energy limit 1"
    )
    assert ("meter", "meter 66") in await kinds(db, chain)


async def test_check_slot__meter_of_the_chain_left_out__is_named(db: Connection) -> None:
    await trade(db)
    await meter(db)
    await db.execute("update telemetry.meters set active = false where meter_id = $1", HOME)
    assert isinstance(await compute(db, CONTEXT, ZONE, SLOT, END), int)
    for _ in range(2):
        await ledger.mine(db)
        await advance(db, CONTEXT)
    assert await kinds(db, await Contract.of(db)) == {("meter", f"meter {HOME}")}


async def test_check_slot__meter_set_during_the_slot__may_be_in_or_out(db: Connection) -> None:
    await announce(db, BYSTANDER, active=False, block=3, time=SLOT + 10)
    await settle(db)
    chain = await Contract.of(db)
    assert await kinds(db, chain) == set()
    await announce(db, HOME, active=False, block=4, time=END)
    assert await kinds(db, chain) == set()


async def test_check_slot__settled_twice__names_the_second(db: Connection) -> None:
    await settle(db)
    chain = await Contract.of(db)
    await db.execute(
        "insert into blockchain.settled_orders select chain_id, block_number + 5, log_index, entry, transaction_hash,"
        " sequence + 1, delivery_start, version, trader, side, zone, lane, nonce, fill_wh, money, delivered_wh"
        " from blockchain.settled_orders where entry = 0"
    )
    (finding,) = await service.check_slot(db, chain, CONTEXT, ZONE, SLOT)
    assert finding.kind == "settled_order"
    assert finding.subject.endswith("again 2")


async def test_check_and_store__settled_slot__is_due_once(db: Connection) -> None:
    await settle(db)
    assert await service.due(db, CONTEXT) == [(ZONE, SLOT)]
    assert await service.check_and_store(db, None, CONTEXT, ZONE, SLOT) == []
    assert await service.due(db, CONTEXT) == []
    await db.execute("update trading.settlements set gas_used = null")
    assert await advance(db, CONTEXT) == []
    assert await service.due(db, CONTEXT) == []
    (check,) = await service.checks(db, zone=ZONE)
    block = await db.fetchval("select block_number from blockchain.cursors where chain_id = $1", CHAIN_ID)
    assert (check.delivery_start, check.differences, check.findings, check.block_number) == (SLOT, 0, [], block)
    assert await service.totals(db) == (1, 0)


async def test_check_and_store__settled_again_after_a_reorganisation__is_due_again(db: Connection) -> None:
    await settle(db)
    assert await service.check_and_store(db, None, CONTEXT, ZONE, SLOT) == []
    await ledger.reorganise(db, 12)
    await advance(db, CONTEXT)
    assert await service.due(db, CONTEXT) == []
    await db.execute("update blockchain.cursors set block_number = 20")
    await ledger.mine(db)
    await advance(db, CONTEXT)
    assert await service.due(db, CONTEXT) == [(ZONE, SLOT)]


async def test_check_and_store__difference__is_kept_with_its_facts(db: Connection) -> None:
    await settle(db)
    await db.execute("update trading.trades set delivered_wh = 0 where trade_number = 0")
    (finding,) = await service.check_and_store(db, None, CONTEXT, ZONE, SLOT)
    (check,) = await service.checks(db)
    assert check.findings == [
        {
            "kind": "trade",
            "subject": "trade 0 delivered_wh",
            "expected": finding.expected,
            "actual": "0",
            "origin_expected": "published book and readings",
            "origin_actual": "trading.trades",
        }
    ]
    assert await service.totals(db) == (1, 1)
