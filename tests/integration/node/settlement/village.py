"""A zone of four meters that trades one slot: signed orders, signed readings, cleared vault accounts."""

from collections.abc import Mapping
from dataclasses import dataclass

from contracts.abi import artifact
from contracts.addresses import Deployment
from contracts.typed_data import Domain, Order, Reading, address_of, order_digest, reading_digest, sign
from indexer import facts
from indexer.db import Connection
from indexer.manifest import Contract, Manifest
from node.config import MarketRules
from node.market import service as market
from node.metering import service as metering
from node.metering.readings import SignedReading
from node.settlement.context import SettlementContext

CHAIN_ID = 31_337
ZONE = 1
SLOT_S = 900
SLOT = 1_750_000_500
"""A delivery start."""
END = SLOT + SLOT_S
FAR = SLOT + 10_000_000
BUY, SELL = 0, 1

RULES = MarketRules(
    slot_s=SLOT_S,
    gate_lead_s=300,
    open_slots=4,
    price_min_per_kwh=-500_000,
    price_max_per_kwh=4_000_000,
    tick_per_kwh=100,
    lot_wh=1,
    grid_fee_per_kwh=20_000,
    price_long_per_kwh=60_000,
    price_short_per_kwh=320_000,
    carbon_g_per_kwh=380,
    reading_grace_s=300,
    reading_gap_s=1_800,
)
ADDRESSES = {
    "SettlementExchange": b"\x11" * 20,
    "ProductionLedger": b"\x12" * 20,
    "ParticipantRegistry": b"\x13" * 20,
}
DOMAIN = Domain(CHAIN_ID, ADDRESSES["SettlementExchange"])


def key_of(number: int) -> bytes:
    return number.to_bytes(32, "big")


def account_of(number: int) -> bytes:
    return address_of(key_of(number))


PLANT, HOME, NEIGHBOUR, BYSTANDER = 1, 2, 3, 4
"""Numbers of the accounts, of their keys and of their meters. The bystander trades nothing and has no mandate."""
GRID = account_of(90)
OPERATOR = account_of(91)
CONTEXT = SettlementContext(
    rules=RULES,
    chain_id=CHAIN_ID,
    deployment=Deployment(CHAIN_ID, 0, ADDRESSES),
    operator=OPERATOR,
    grid_account=GRID,
    salt_secret=b"pepper" * 6,
)


@dataclass(frozen=True)
class Flow:
    """Energy of one meter in the slot, in Wh."""

    import_wh: int = 0
    export_wh: int = 0


FLOWS = {PLANT: Flow(export_wh=1_903), HOME: Flow(1_201), NEIGHBOUR: Flow(650, 40), BYSTANDER: Flow(77)}
"""Nobody exactly as traded: the plant short, the neighbour partly."""


async def found(db: Connection) -> None:
    """Accounts, meters and mandates, as indexer and registry store them, and the fact tables."""
    contracts = (Contract(name, ADDRESSES[name], artifact(name).abi) for name in ADDRESSES)
    await facts.ensure(db, Manifest(CHAIN_ID, 0, tuple(contracts)))
    await db.execute(
        "insert into blockchain.cursors (chain_id, block_number, block_hash) values ($1, 10, $2)", CHAIN_ID, bytes(32)
    )
    await db.execute("insert into blockchain.exchange_totals values ($1, 0, 0, 1)", CHAIN_ID)
    for account in (*map(account_of, FLOWS), GRID):
        await enrol(db, account, mandate=account != account_of(BYSTANDER))
    for number in FLOWS:
        await install(db, number)


async def enrol(db: Connection, account: bytes, *, mandate: bool) -> None:
    await db.execute(
        "insert into blockchain.participants values ($1, $2, to_timestamp($3::bigint), 3, 276, 1)",
        CHAIN_ID,
        account,
        FAR,
    )
    await db.execute(
        "insert into blockchain.account_balances (chain_id, account, cash, updated_block) values ($1, $2, $3, 1)",
        CHAIN_ID,
        account,
        10_000_000,
    )
    if mandate:
        await db.execute(
            "insert into blockchain.mandates values ($1, $2, 100000000, 1000000000, to_timestamp($3::bigint), 1, 1)",
            CHAIN_ID,
            account,
            FAR,
        )


async def install(db: Connection, number: int) -> None:
    kind = "plant" if number == PLANT else "home"
    account = account_of(number)
    meter = metering.Meter(number, account, kind, None, ZONE, "http", "d", "a", account, 100_000)
    await metering.register_meter(db, meter)
    await announce(db, number)


async def announce(db: Connection, number: int, *, active: bool = True, block: int = 1, time: int = SLOT - 1) -> None:
    """The chain's register takes up a meter, or puts it out of use."""
    account = account_of(number)
    await db.execute(
        "insert into blockchain.meters values ($1, $2, $3, $4, $6, $3, $5, $7)"
        " on conflict (chain_id, meter_id) do update set active = $6, updated_block = $7",
        *(CHAIN_ID, number, account, ZONE, bytes(32), active, block),
    )
    await db.execute(
        "insert into blockchain.fact_participant_registry_meter_set (chain_id, block_number, log_index,"
        " transaction_hash, block_time, emitter, meter_id, owner, zone, active, key, plant_id)"
        " values ($1, $7, $2, $5, to_timestamp($8::bigint), $3, $2, $3, $4, $6, $3, $5)",
        *(CHAIN_ID, number, account, ZONE, bytes(32), active, block, time),
    )


async def trade(db: Connection, slot: int = SLOT, domain: Domain = DOMAIN, *, lane: int | None = None) -> None:
    """The plant sells 2,000 Wh: 1,200 to the home, 800 to the neighbour, at one price."""
    await offer(db, PLANT, SELL, 2_000, 100_000, slot, domain, lane=lane)
    await offer(db, HOME, BUY, 1_200, 250_000, slot, domain, lane=lane)
    await offer(db, NEIGHBOUR, BUY, 800, 240_000, slot, domain, lane=lane)
    await market.clear(db, RULES, ZONE, slot, slot - RULES.gate_lead_s)


async def offer(
    db: Connection,
    number: int,
    side: int,
    energy_wh: int,
    limit: int,
    slot: int,
    domain: Domain,
    *,
    lane: int | None = None,
) -> None:
    """Without ``lane`` each order has one of its own."""
    order = Order(
        trader=account_of(number),
        zone=ZONE,
        delivery_start=slot,
        side=side,
        energy_wh=energy_wh,
        limit_price_per_kwh=limit,
        min_fill_wh=0,
        time_in_force=0,
        source=0,
        expiry=FAR,
        lane=(slot // SLOT_S * 10 + number) % 65_536 if lane is None else lane,
        nonce=slot,
    )
    signature = sign(order_digest(domain, order), key_of(number))
    now_s = slot - RULES.gate_lead_s - 100.0
    await market.accept_order(db, RULES, domain, CHAIN_ID, order, signature, now_s)


async def meter(db: Connection, flows: Mapping[int, Flow] = FLOWS, slot: int = SLOT) -> None:
    """Readings a minute before and after the slot, and in its middle; registers do not start at zero."""
    readings = []
    for number, flow in flows.items():
        for counter, (time, part) in enumerate(((slot, 0), (slot + 450, 1), (slot + SLOT_S, 2))):
            reading = Reading(
                meter_id=number,
                time=time,
                counter=(slot - SLOT) * 10 + counter + 1,
                import_wh=50_000 + flow.import_wh * part // 2,
                export_wh=90_000 + flow.export_wh * part // 2,
                power_w=0,
            )
            readings.append(SignedReading.recovered(reading, sign(reading_digest(reading), key_of(number))))
    outcomes = await metering.accept(db, readings, now_s=slot + SLOT_S, slot_s=SLOT_S)
    assert {outcome.state for outcome in outcomes} == {metering.Taken.VALIDATED}, outcomes


async def meter_next(db: Connection, slot: int) -> None:
    """Registers go on from where the first slot left them."""
    readings = []
    for number, last in (await metering.latest(db, FLOWS)).items():
        flow = FLOWS[number]
        reading = Reading(
            number, slot + SLOT_S, last.counter + 1, last.import_wh + flow.import_wh, last.export_wh + flow.export_wh, 0
        )
        readings.append(SignedReading.recovered(reading, sign(reading_digest(reading), key_of(number))))
    await metering.accept(db, readings, now_s=slot + SLOT_S, slot_s=SLOT_S)
