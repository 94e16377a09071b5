"""What others may ask of settlements. Pages are read newest first; the last row's id starts the next page."""

from dataclasses import dataclass
from datetime import datetime

from indexer.db import Connection, queries
from node.errors import NotFound
from node.metering import service as metering
from node.settlement import merkle
from node.settlement.merkle import MeteredSlot
from node.settlement.meters import participants, proved, reading_leaves

_SQL = queries(__name__)


class NoSettlement(NotFound):
    """The slot has no settlement."""

    code = "settlement-not-found"


class NoReading(NotFound):
    """The meter has no proved reading in this slot, or is not yours."""

    code = "reading-not-found"


@dataclass(frozen=True, slots=True)
class SettlementRow:
    """A settlement: energy in Wh, prices in micro-currency per kWh, money in nano-currency."""

    settlement_id: int
    zone: int
    delivery_start: int
    version: int
    state: str
    state_reason: str | None
    batch_sequence: int | None
    transaction_hash: bytes | None
    block_number: int | None
    gas_used: int | None
    trades: int
    traded_wh: int
    delivered_wh: int
    imbalance_wh: int
    grid_exchange_wh: int
    price_local_per_kwh: int
    price_long_per_kwh: int
    price_short_per_kwh: int
    grid_fee_nano: int
    rent_nano: int
    residue_nano: int
    missing_meters: int
    readings_root: bytes
    result_hash: bytes
    computed_at: datetime
    settled_at: datetime | None
    final_at: datetime | None
    batches: int
    most_entries: int
    previous_id: int | None
    zones: list[int]

    @property
    def kind(self) -> str:
        """Which version it is: a slot's provisional one, a revision, or one that nothing follows any more."""
        if self.final_at is not None:
            return "final"
        return "revision" if self.version else "provisional"


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One account's part of a settlement. Money positive: received; the grid fee is paid."""

    account: bytes
    bought_wh: int
    sold_wh: int
    injection_wh: int
    withdrawal_wh: int
    imbalance_wh: int
    netted_wh: int
    trade_money_nano: int
    grid_fee_nano: int
    rent_nano: int
    imbalance_money_nano: int
    uncovered: int
    """Cash units that earlier versions could not charge and that this one does not give back."""
    state: str
    shortfall: int
    """Cash units that mandate or cash did not cover."""


@dataclass(frozen=True, slots=True)
class SettlementBatch:
    """One of the batches by which a settlement came on chain; without a block it is on its way."""

    ordinal: int
    batch_sequence: int
    transaction_hash: bytes | None
    block_number: int | None
    gas_used: int | None
    batch: bytes


@dataclass(frozen=True, slots=True)
class ReadingProof:
    """Proves to anyone what a meter saw in a slot: the leaf follows from these fields, the root is on chain."""

    slot: MeteredSlot
    salt: bytes
    leaf: bytes
    siblings: tuple[bytes, ...]
    root: bytes


async def settlements(
    db: Connection,
    *,
    zone: int | None = None,
    delivery_start: int | None = None,
    state: str | None = None,
    account: bytes | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[SettlementRow]:
    """A page of settlements; ``account`` finds those that settled it."""
    rows = await db.fetch(_SQL["settlements"], zone, delivery_start, state, account, before_id, limit)
    return [SettlementRow(**dict(row)) for row in rows]


async def settlement(db: Connection, zone: int, delivery_start: int) -> SettlementRow:
    """The newest version of a slot's settlement. Raises NoSettlement."""
    row = await db.fetchrow(_SQL["settlement"], zone, delivery_start)
    if row is None:
        raise NoSettlement(f"zone {zone} slot {delivery_start} is not settled")
    return SettlementRow(**dict(row))


async def settlement_of(db: Connection, zone: int, delivery_start: int) -> SettlementRow:
    """The newest version of the settlement that a zone's slot is in, its own or its area's. Raises NoSettlement."""
    area: int | None = await db.fetchval(_SQL["area"], zone, delivery_start)
    return await settlement(db, zone if area is None else area, delivery_start)


async def versions(db: Connection, zone: int, delivery_start: int) -> list[SettlementRow]:
    """All versions of a slot's settlement, the first one first."""
    return [SettlementRow(**dict(row)) for row in await db.fetch(_SQL["versions"], zone, delivery_start)]


async def batches(db: Connection, settlement_id: int) -> list[SettlementBatch]:
    """The batches of a settlement that were made, in their order."""
    return [SettlementBatch(*row) for row in await db.fetch(_SQL["batches"], settlement_id)]


async def accounts(db: Connection, settlement_id: int, account: bytes | None = None) -> list[AccountRow]:
    """The accounts of a settlement, or the one asked for."""
    rows = await db.fetch(_SQL["accounts"], settlement_id, account)
    return [AccountRow(**dict(row)) for row in rows]


async def reading_proof(
    db: Connection, salt_secret: bytes, zone: int, delivery_start: int, meter_id: int, owner: bytes | None
) -> ReadingProof:
    """The proof of one meter's energy in a settled slot. ``owner`` None: asked by the operator.

    Raises:
        NoSettlement: the slot is not settled.
        NoReading: nothing was proved for the meter, or it is another owner's.
    """
    settled = await settlement_of(db, zone, delivery_start)
    stored = await metering.load_slot_energy(db, zone, delivery_start, settled.version)
    meters = participants(stored)
    known = {meter.meter_id: meter for meter in proved(meters)}
    meter = known.get(meter_id)
    if meter is None or owner not in (None, meter.owner):
        raise NoReading(f"meter {meter_id} has no proof in slot {delivery_start} of zone {zone}")
    slot = MeteredSlot(meter_id, delivery_start, settled.version, meter.import_wh, meter.export_wh)
    leaves = reading_leaves(salt_secret, delivery_start, settled.version, meters)
    salt = merkle.salt(salt_secret, slot)
    leaf = merkle.leaf(slot, salt)
    return ReadingProof(slot, salt, leaf, tuple(merkle.proof(leaves, leaf)), merkle.root(leaves))
