"""What others may ask of the mirrored chain. Every answer is one statement, so it is of one block, and names it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from indexer.db import Connection, queries

SQL = queries(__name__)


@dataclass(frozen=True, slots=True)
class Head:
    """The last indexed block."""

    number: int
    hash: bytes
    time: int | None
    """Unix seconds; None before the first block."""
    finalized: int
    safe: int
    head: int
    """The chain's head when the last block was indexed."""
    reorg_epoch: int
    events_indexed: int
    state: str
    state_reason: str | None


@dataclass(frozen=True, slots=True)
class Balance:
    """A vault account of the exchange."""

    cash: int
    """Cash units, as ``accountOf`` gives them: a requested withdrawal is still in it."""
    energy_wh: int
    pending_cash: int
    """Requested withdrawal, not yet executed."""
    pending_energy_wh: int
    nonce: int
    """Orders with a nonce below are void."""
    updated_block: int | None
    """Last block that touched the account; None if none did."""
    block: int
    """The block that the answer is of."""


@dataclass(frozen=True, slots=True)
class Participant:
    """A registered account."""

    account: bytes
    kyc_until: int
    """Unix seconds."""
    flags: int
    """Bits: 1 producer, 2 consumer, 4 frozen."""
    country: int
    updated_block: int


@dataclass(frozen=True, slots=True)
class Meter:
    """A registered meter."""

    meter_id: int
    owner: bytes
    zone: int
    active: bool
    key: bytes
    plant_id: bytes
    updated_block: int


@dataclass(frozen=True, slots=True)
class MeterRegister:
    """A meter's production register on chain, in Wh."""

    meter_id: int
    attested_wh: int
    issued_wh: int
    slot_end: int
    updated_block: int


@dataclass(frozen=True, slots=True)
class Mandate:
    """An account's imbalance mandate."""

    account: bytes
    budget_per_slot: int
    budget: int
    """As signed, in cash units."""
    expiry: int
    nonce: int
    charged: int
    """Cash units charged since the mandate was set."""
    updated_block: int


@dataclass(frozen=True, slots=True)
class Batch:
    """A settled batch."""

    sequence: int
    delivery_start: int
    version: int
    fee: int
    block_number: int
    log_index: int
    transaction_hash: bytes
    block_time: int
    final: bool


@dataclass(frozen=True, slots=True)
class SettledOrder:
    """One entry of OrdersSettled."""

    sequence: int
    delivery_start: int
    version: int
    trader: bytes
    side: int
    zone: int
    lane: int
    nonce: int
    fill_wh: int
    money: int
    delivered_wh: int
    block_number: int
    transaction_hash: bytes


@dataclass(frozen=True, slots=True)
class SettledImbalance:
    """One entry of ImbalanceSettled."""

    sequence: int
    delivery_start: int
    version: int
    account: bytes
    money: int
    block_number: int
    transaction_hash: bytes


@dataclass(frozen=True, slots=True)
class AttestedRegister:
    """One entry of RegistersAttested."""

    meter_id: int
    register_wh: int
    zone: int
    slot_end: int
    readings_root: bytes
    block_number: int
    transaction_hash: bytes


async def head(db: Connection, chain_id: int) -> Head | None:
    """None before the first block was indexed."""
    row = await db.fetchrow(SQL["head"], chain_id)
    return None if row is None else Head(**row)


async def balance(db: Connection, chain_id: int, account: bytes) -> Balance:
    """All zero for an account that no event has touched."""
    return Balance(**integers(await db.fetchrow(SQL["balance"], chain_id, account)))


async def participant(db: Connection, chain_id: int, account: bytes) -> Participant | None:
    row = await db.fetchrow(SQL["participant"], chain_id, account)
    return None if row is None else Participant(**row)


async def meter(db: Connection, chain_id: int, meter_id: int) -> Meter | None:
    row = await db.fetchrow(SQL["meter"], chain_id, meter_id)
    return None if row is None else Meter(**row)


async def meters(db: Connection, chain_id: int, *, zone: int | None = None, owner: bytes | None = None) -> list[Meter]:
    """Meters by id, active or not, optionally of one zone or one owner."""
    return [Meter(**row) for row in await db.fetch(SQL["meters"], chain_id, zone, owner)]


async def meter_owner(db: Connection, chain_id: int, meter_id: int) -> bytes | None:
    found = await meter(db, chain_id, meter_id)
    return None if found is None else found.owner


async def register(db: Connection, chain_id: int, meter_id: int) -> MeterRegister | None:
    row = await db.fetchrow(SQL["register"], chain_id, meter_id)
    return None if row is None else MeterRegister(**row)


async def mandate(db: Connection, chain_id: int, account: bytes) -> Mandate | None:
    row = await db.fetchrow(SQL["mandate"], chain_id, account)
    return None if row is None else Mandate(**integers(row))


async def token_balance(db: Connection, chain_id: int, token: bytes, account: bytes) -> int:
    """Balance of an ERC-20 token, in its own units."""
    return int(await db.fetchval(SQL["token_balance"], chain_id, token, account) or 0)


async def fees(db: Connection, chain_id: int) -> int:
    """Fees that the exchange holds, in cash units."""
    return int(await db.fetchval(SQL["fees"], chain_id) or 0)


async def next_sequence(db: Connection, chain_id: int) -> int:
    """Sequence number that the next batch must carry, as far as indexed."""
    return int(await db.fetchval(SQL["next_sequence"], chain_id) or 0)


async def settled_batch(db: Connection, chain_id: int, sequence: int) -> Batch | None:
    row = await db.fetchrow(SQL["settled_batch"], chain_id, sequence)
    return None if row is None else Batch(**integers(row))


async def settled_orders(
    db: Connection, chain_id: int, delivery_start: int, *, zone: int | None = None
) -> list[SettledOrder]:
    """All settled fills of a slot, in chain order."""
    rows = await db.fetch(SQL["settled_orders"], chain_id, delivery_start, zone)
    return [SettledOrder(**integers(row)) for row in rows]


async def settled_imbalances(db: Connection, chain_id: int, delivery_start: int) -> list[SettledImbalance]:
    """All imbalance adjustments of a slot, in chain order."""
    rows = await db.fetch(SQL["settled_imbalances"], chain_id, delivery_start)
    return [SettledImbalance(**integers(row)) for row in rows]


async def attested_registers(db: Connection, chain_id: int, slot_end: int, zone: int) -> list[AttestedRegister]:
    """Registers attested as of ``slot_end`` (Unix seconds), in chain order."""
    rows = await db.fetch(SQL["attested_registers"], chain_id, slot_end, zone)
    return [AttestedRegister(**row) for row in rows]


async def transaction_block(db: Connection, chain_id: int, transaction_hash: bytes) -> int | None:
    """The block in which a settlement, attestation or issue was mined; None while it is not indexed."""
    value: int | None = await db.fetchval(SQL["transaction_block"], chain_id, transaction_hash)
    return value


async def contracts(db: Connection, chain_id: int) -> dict[str, bytes]:
    """Addresses of the indexed contracts by name."""
    rows: Sequence[Any] = await db.fetch(SQL["contracts"], chain_id)
    return {row["name"]: row["address"] for row in rows}


def integers(row: Any) -> dict[str, Any]:
    """NUMERIC comes as Decimal; all of ours are whole."""
    return {key: int(value) if type(value).__name__ == "Decimal" else value for key, value in row.items()}
