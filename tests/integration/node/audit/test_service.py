"""A settled slot has no differences; every tampering with it is named."""

from collections.abc import Sequence

import pytest

from contracts.typed_data import checksum
from indexer.db import Connection
from node.audit import service
from node.audit.chain import VaultAccount, VaultMandate
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
    account_of,
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
    ("update trading.settlements set block_number = 11", ("batch", "batch 0 block_number")),
    ("update trading.settlements set batch = batch || '\\x00'", ("batch", "batch 0 bytes")),
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


class Contract:
    """A chain whose contract holds what the mirror said when this was made. Mandates were ample all along."""

    def __init__(self, accounts: dict[bytes, VaultAccount]) -> None:
        self._accounts = accounts

    @classmethod
    async def of(cls, db: Connection) -> "Contract":
        rows = await db.fetch("select account, cash, energy_wh, nonce from blockchain.account_balances")
        return cls({row[0]: VaultAccount(int(row[1]), int(row[2]), row[3]) for row in rows})

    async def accounts_of(self, accounts: Sequence[bytes], block_hash: bytes) -> list[VaultAccount]:
        assert len(block_hash) == 32
        return [self._accounts[account] for account in accounts]

    async def mandates_of(self, accounts: Sequence[bytes], block_hash: bytes) -> list[VaultMandate]:
        ample = VaultMandate(100_000_000, 1_000_000_000, FAR)
        return [VaultMandate(0, 0, 0) if account == account_of(BYSTANDER) else ample for account in accounts]


async def settle(db: Connection, slot: int = SLOT) -> None:
    await trade(db, slot)
    await meter(db, FLOWS, slot)
    assert isinstance(await compute(db, CONTEXT, ZONE, slot, slot + SLOT_S), int)
    for _ in range(2):
        await ledger.mine(db)
        await advance(db, CONTEXT)


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
    (check,) = await service.checks(db, zone=ZONE)
    block = await db.fetchval("select block_number from blockchain.cursors where chain_id = $1", CHAIN_ID)
    assert (check.delivery_start, check.differences, check.findings, check.block_number) == (SLOT, 0, [], block)
    assert await service.totals(db) == (1, 0)


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
