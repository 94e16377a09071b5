"""One reading, one trade, one audit row, one balance changed by hand in the database: the audit names each.

Whoever tampers has all rights on the database, so the log of changes does not stop him. What he changes is found, for
readings are signed, books are published, entries are chained, and the chain has its own word.
"""

from datetime import UTC, datetime

import pytest

from api.cli.audit_report import Checked, CheckedSlot, report
from contracts.settlement_batch import Adjustment, encode_batch
from contracts.typed_data import checksum
from indexer.db import Connection
from node.audit import anchors, log, onchain, service
from node.audit.compare import Finding
from node.settlement.advance import advance
from node.settlement.service import compute
from tests.integration.node.audit.test_service import Contract
from tests.integration.node.settlement import ledger
from tests.integration.node.settlement.village import (
    CHAIN_ID,
    CONTEXT,
    END,
    HOME,
    PLANT,
    SLOT,
    ZONE,
    account_of,
    meter,
    trade,
)

pytestmark = pytest.mark.integration

NAME = f"zone {ZONE} {datetime.fromtimestamp(SLOT, UTC):%Y-%m-%dT%H:%M:%SZ}"
PLANTS = checksum(account_of(PLANT))


async def settle(db: Connection) -> None:
    await trade(db)
    await meter(db)
    assert isinstance(await compute(db, CONTEXT, ZONE, SLOT, END), int)
    for _ in range(3):
        await ledger.mine(db)
        await advance(db, CONTEXT)


async def audit(db: Connection, chain: Contract) -> list[str]:
    """What `gridtrace audit --all` prints."""
    found = await service.check_range(db, chain, CONTEXT, ZONE, SLOT, END)
    slots = [CheckedSlot(ZONE, datetime.fromtimestamp(slot, UTC), findings) for slot, findings in found.items()]
    logs = [await log.check_log(db, CHAIN_ID), await log.check_events(db, CHAIN_ID)]
    findings = [finding for one in logs for finding in one.findings]
    return report(Checked(slots, findings, logs), as_json=False, every=True).splitlines()


async def look(db: Connection) -> list[Finding]:
    return (await log.check_log(db, CHAIN_ID)).findings


async def anchor(db: Connection, now_s: float = SLOT) -> int:
    """Anchors both logs on chain; the number of the last entry of the log of changes."""
    asked = {one.log: one.sequence for one in await anchors.ask(db, CONTEXT, now_s)}
    await ledger.mine(db)
    return asked[anchors.AUDIT_LOGS]


TAMPERINGS = {
    "one reading": (
        f"update telemetry.readings set export_wh = export_wh + 5000 where meter_id = {PLANT} and counter = 3",
        f"{NAME} reading meter {PLANT} time {END} counter 3: telemetry.meters gives signed by {PLANTS}, "
        "telemetry.readings says signed by 0x",
    ),
    "one meter's energy": (
        f"update telemetry.slot_energy set export_wh = 6903 where meter_id = {PLANT}",
        f"{NAME} slot_energy meter {PLANT} export_wh: signed readings gives 1903, telemetry.slot_energy says 6903",
    ),
    "one trade": (
        "update trading.trades set price_per_kwh = 999 where trade_number = 1",
        f"{NAME} trade trade 1 price_per_kwh: published book and readings gives 160000, trading.trades says 999",
    ),
    "one trade put in": (
        "insert into trading.trades (auction_id, trade_number, zone, sell_zone, delivery_start, buy_order, sell_order,"
        " buyer, seller, energy_wh, price_per_kwh, fee_per_kwh, executed_at) select auction_id, 2, zone, sell_zone,"
        " delivery_start, buy_order, sell_order, buyer, seller, 5, 5, 0, now() from trading.trades limit 1",
        f"{NAME} trade trade 2: published book and readings gives nothing, trading.trades says trade_number=2",
    ),
    "one audit row": (
        "update audit.audit_logs set new_values = jsonb_set(new_values, '{delivered_wh}', '1')"
        " where sequence = (select min(sequence) from audit.audit_logs where table_name = 'trading.settlements')",
        "log of changes log row 5 (INSERT trading.settlements 1) hash: hash chain gives 0x",
    ),
    "one audit row, and its hash made to fit": (
        "update audit.audit_logs set changed_by = 'nobody', hash = sha256(hash) where sequence = 6",
        "log of changes log row 7 (",
    ),
    "one audit row taken out": (
        "delete from audit.audit_logs where sequence = 3",
        "log of changes log row 3: hash chain gives an entry, audit.audit_logs says nothing",
    ),
    "two audit rows in each other's place": (
        "update audit.audit_logs a set (table_name, record_id, operation, old_values, new_values, changed_by,"
        " changed_at, previous_hash, hash) = (select table_name, record_id, operation, old_values, new_values,"
        " changed_by, changed_at, previous_hash, hash from audit.audit_logs b where b.sequence = 9 - a.sequence)"
        " where a.sequence in (4, 5)",
        "log of changes log row 4 (",
    ),
    "one event of the market": (
        "update trading.events set payload = payload || '\\x00' where sequence = 2",
        "market sequence log row 2 (order_accepted 0x",
    ),
    "one event taken out": (
        "delete from trading.events where sequence = 2",
        "market sequence log row 2: hash chain gives an entry, trading.events says nothing",
    ),
    "one balance": (
        f"update blockchain.account_balances set cash = 77 where account = '\\x{account_of(PLANT).hex()}'",
        f"{NAME} balance {PLANTS} cash: accountOf at block",
    ),
    "one charge": (
        f"update blockchain.settled_imbalances set money = -1 where account = '\\x{account_of(HOME).hex()}'",
        f"{NAME} settled_imbalance {checksum(account_of(HOME))} money: recomputed settlement gives ",
    ),
    "the stored audit result's settlement": (
        "update trading.settlements set result_hash = sha256('')",
        f"{NAME} settlement slot {SLOT} result_hash: recomputed settlement gives 0x",
    ),
}


async def test_audit__nothing_tampered_with__finds_nothing(db: Connection) -> None:
    await settle(db)
    assert await audit(db, await Contract.of(db)) == [
        "log of changes: 15 rows, none anchored on chain",
        "market sequence: 4 rows, none anchored on chain",
        "1 slots recomputed, 0 differences",
    ]


@pytest.mark.parametrize("what", TAMPERINGS)
async def test_audit__one_thing_changed_by_hand__is_named_with_both_values_and_their_origin(
    db: Connection, what: str
) -> None:
    await settle(db)
    chain = await Contract.of(db)
    statement, line = TAMPERINGS[what]
    assert (await db.execute(statement)).endswith((" 1", " 2"))
    said = await audit(db, chain)
    assert any(told.startswith(line) for told in said), said


async def test_audit__reading_trade_audit_row_and_balance_changed_at_once__each_is_named(db: Connection) -> None:
    await settle(db)
    await anchor(db)
    chain = await Contract.of(db)
    for what in ("one reading", "one trade", "one audit row", "one balance"):
        await db.execute(TAMPERINGS[what][0])
    said = await audit(db, chain)
    for what in ("one reading", "one trade", "one audit row", "one balance"):
        assert any(told.startswith(TAMPERINGS[what][1]) for told in said), what


async def test_audit__settlement_changed_by_hand__stands_in_the_log_with_its_user(db: Connection) -> None:
    await settle(db)
    await db.execute("update trading.settlements set delivered_wh = delivered_wh + 1")
    row = await db.fetchrow("select * from audit.audit_logs order by sequence desc limit 1")
    assert row is not None
    assert (row["table_name"], row["operation"]) == ("trading.settlements", "UPDATE")
    assert row["changed_by"] == await db.fetchval("select session_user")
    assert await look(db) == []


async def test_audit__cap_of_a_charge_changed_by_hand__stands_in_the_log(db: Connection) -> None:
    await settle(db)
    await db.execute("update trading.settlement_charges set cap = cap + 1")
    row = await db.fetchrow("select * from audit.audit_logs order by sequence desc limit 1")
    assert row is not None
    assert (row["table_name"], row["operation"]) == ("trading.settlement_charges", "UPDATE")
    assert await look(db) == []


async def test_audit__entry_changed_and_anchored_again__is_found_by_its_first_anchor(db: Connection) -> None:
    await settle(db)
    number = await anchor(db)
    first: bytes = await db.fetchval("select hash from audit.audit_logs where sequence = $1", number)
    forged = bytes(31) + b"\x01"
    for block in (50, 51):
        await ledger.attest(db, block, 0, anchors.ZONES[anchors.AUDIT_LOGS], number, forged, b"")

    again, other = await look(db)

    for finding in (again, other):
        assert finding.subject == f"row {number} anchored again"
        assert (finding.expected, finding.actual) == ("0x" + first.hex(), "0x" + forged.hex())
    await db.execute("update audit.audit_logs set hash = $2 where sequence = $1", number, forged)
    found = [finding.subject for finding in await look(db)]
    assert f"row {number} anchored hash" in found


@pytest.mark.parametrize(("slot", "numbers"), [(SLOT, [SLOT]), (SLOT + 4_321, [None])])
async def test_audit__batch_that_no_settlement_made__is_found(
    db: Connection, slot: int, numbers: list[int | None]
) -> None:
    await settle(db)
    batch = encode_batch(1, slot, 7, [], [Adjustment(account_of(PLANT), -1)])
    await ledger.settle(db, 60, 0, batch, b"\x55" * 32)

    for delivery_start in (SLOT, None):
        found = [finding.subject for finding in await onchain.check_numbers(db, CHAIN_ID, delivery_start)]
        assert found == (["batch 1"] if delivery_start in numbers else [])
    slots = await service.check_range(db, None, CONTEXT, ZONE, SLOT, END)
    told = [finding.subject for finding in slots[SLOT] if finding.kind == "batch"]
    assert told == (["batch 1"] if slot == SLOT else [])


async def test_audit__whole_log_rewritten_from_an_anchored_row_on__is_found_by_its_anchor(db: Connection) -> None:
    await settle(db)
    number = await anchor(db)
    assert await look(db) == []
    assert await anchors.ask(db, CONTEXT, SLOT + 1) == []  # once a day

    await db.execute("update audit.audit_logs set new_values = '{}' where sequence = $1", number)
    rows = await db.fetch(
        "select sequence, table_name, record_id, operation, changed_by,"
        " (extract(epoch from changed_at) * 1000000)::bigint, coalesce(old_values::text, ''),"
        " coalesce(new_values::text, ''), previous_hash, hash from audit.audit_logs where sequence = $1",
        number,
    )
    entry = log.Entry(*rows[0])
    forged = log.entry_hash(entry, entry.previous_hash)
    await db.execute("update audit.audit_logs set hash = $2 where sequence = $1", number, forged)

    (finding,) = await look(db)
    assert (finding.subject, finding.origin_expected) == (f"row {number} anchored hash", "RegistersAttested")
    assert (finding.expected, finding.actual) == ("0x" + entry.hash.hex(), "0x" + forged.hex())

    await db.execute("delete from audit.audit_logs where sequence = $1", number)
    (finding,) = await look(db)
    assert (finding.subject, finding.actual) == (f"row {number}", "nothing")
