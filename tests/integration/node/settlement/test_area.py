"""Zones that are cleared together settle together: one pool, one chain of batches, each zone's own attestation."""

from dataclasses import replace

import pytest

from contracts.typed_data import Order, order_digest, sign
from indexer import read
from indexer.db import Connection
from node.audit import service as audit
from node.market import clearing
from node.market import service as market
from node.market.area import Area
from node.settlement import merkle, reads
from node.settlement.advance import advance
from node.settlement.context import NotReady
from node.settlement.service import compute, due
from tests.integration.node.audit.test_service import Contract
from tests.integration.node.settlement import ledger
from tests.integration.node.settlement.village import (
    BUY,
    CHAIN_ID,
    CONTEXT,
    DOMAIN,
    END,
    FAR,
    FLOWS,
    HOME,
    NEIGHBOUR,
    PLANT,
    RULES,
    SELL,
    SLOT,
    account_of,
    key_of,
    meter,
)

pytestmark = pytest.mark.integration

NEAR, FAR_ZONE = 1, 2
FEE = RULES.grid_fee_per_kwh
# The plant is in the other zone: the line takes 1,000 Wh of what it sells.
AREA = Area((NEAR, FAR_ZONE), {(1, 1): FEE, (2, 2): FEE, (2, 1): 30_000, (1, 2): 30_000}, {(2, 1): 1_000})


async def move_plant(db: Connection) -> None:
    for table in ("telemetry.meters", "blockchain.meters", "blockchain.fact_participant_registry_meter_set"):
        await db.execute(f"update {table} set zone = $2 where meter_id = $1", PLANT, FAR_ZONE)


async def offer(db: Connection, number: int, side: int, energy_wh: int, limit: int, zone: int) -> None:
    order = Order(account_of(number), zone, SLOT, side, energy_wh, limit, 0, 0, 0, FAR, number, SLOT)
    signature = sign(order_digest(DOMAIN, order), key_of(number))
    await market.accept_order(db, RULES, DOMAIN, CHAIN_ID, order, signature, SLOT - RULES.gate_lead_s - 100.0)


async def trade(db: Connection) -> None:
    await move_plant(db)
    await offer(db, PLANT, SELL, 2_000, 100_000, FAR_ZONE)
    await offer(db, HOME, BUY, 1_200, 250_000, NEAR)
    await offer(db, NEIGHBOUR, BUY, 800, 240_000, NEAR)
    await clearing.clear_area(db, RULES, AREA, SLOT, SLOT - RULES.gate_lead_s)


async def settle(db: Connection) -> None:
    assert await due(db, [NEAR, FAR_ZONE], END) == [(AREA.name, SLOT)]
    assert isinstance(await compute(db, CONTEXT, AREA.name, SLOT, END), int)
    for _ in range(3):
        await ledger.mine(db)
        await advance(db, CONTEXT)


async def test_compute__area__waits_for_the_meters_of_all_its_zones(db: Connection) -> None:
    await trade(db)
    await meter(db, {number: flow for number, flow in FLOWS.items() if number != PLANT})
    waiting = await compute(db, CONTEXT, AREA.name, SLOT, END)
    assert waiting == NotReady("meters are still to be read")


async def test_settle__area_with_a_full_line__pays_rent_and_has_no_difference(db: Connection) -> None:
    await trade(db)
    await meter(db)
    await settle(db)

    settled = await reads.settlement(db, AREA.name, SLOT)
    assert (settled.state, settled.zones, settled.traded_wh) == ("settled", [NEAR, FAR_ZONE], 1_000)
    assert settled.rent_nano > 0
    accounts = {line.account: line for line in await reads.accounts(db, settled.settlement_id)}
    assert sum(line.rent_nano for line in accounts.values()) == settled.rent_nano
    assert sum(line.trade_money_nano for line in accounts.values()) == 0
    # The plant fed in 903 Wh more than it sold: one pool nets that with who is short in the other zone.
    assert accounts[account_of(PLANT)].netted_wh > 0
    fees = await db.fetchval("select fees from blockchain.exchange_totals")
    assert fees == (settled.grid_fee_nano + settled.rent_nano + settled.residue_nano) // 1_000
    for zone, meters in ((NEAR, 3), (FAR_ZONE, 1)):
        rows = await read.attested_registers(db, CHAIN_ID, END, zone)
        assert len({row.readings_root for row in rows} - {merkle.EMPTY_ROOT}) == 1
        assert len(rows) == meters
    assert await audit.check_slot(db, await Contract.of(db), CONTEXT, AREA.name, SLOT) == []
    assert await due(db, [NEAR, FAR_ZONE], END) == []


async def test_settle__area_in_several_batches__has_no_difference(db: Connection) -> None:
    await trade(db)
    await meter(db)
    small = replace(CONTEXT, most_entries=2)
    assert isinstance(await compute(db, small, AREA.name, SLOT, END), int)
    for _ in range(12):
        await ledger.mine(db)
        await advance(db, small)
    settled = await reads.settlement(db, AREA.name, SLOT)
    assert (settled.state, settled.batches > 3) == ("settled", True)
    assert await audit.check_slot(db, await Contract.of(db), CONTEXT, AREA.name, SLOT) == []


async def test_reading_proof__zone_of_an_area__leads_to_its_own_root(db: Connection) -> None:
    await trade(db)
    await meter(db)
    await settle(db)
    for zone, number in ((NEAR, HOME), (FAR_ZONE, PLANT)):
        proof = await reads.reading_proof(db, CONTEXT.salt_secret, zone, SLOT, number, None)
        (row, *_) = await read.attested_registers(db, CHAIN_ID, END, zone)
        assert proof.root == row.readings_root


async def test_check_slot__area_tampered_with__names_it(db: Connection) -> None:
    await trade(db)
    await meter(db)
    await settle(db)
    chain = await Contract.of(db)
    tampered = (
        ("update trading.trades set rent_per_kwh = rent_per_kwh + 1", "trade"),
        ("update trading.trades set sell_zone = 1", "trade"),
        ("update trading.settlements set zones = '{1}'", "settlement"),
        ("update trading.settlement_accounts set rent_nano = rent_nano + 1", "account"),
        ("update blockchain.attested_registers set readings_root = sha256('') where zone = 2", "register"),
        ("update trading.auctions set clearing_price_per_kwh = clearing_price_per_kwh - 1 where zone = 2", "auction"),
    )
    for statement, kind in tampered:
        tampering = db.transaction()
        await tampering.start()
        assert not (await db.execute(statement)).endswith(" 0"), statement
        found = await audit.check_slot(db, chain, CONTEXT, AREA.name, SLOT)
        assert kind in {finding.kind for finding in found}, statement
        await tampering.rollback()
