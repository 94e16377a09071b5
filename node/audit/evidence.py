"""What the auditor reads: the raw records of a slot, and what the node and the mirror say of it."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from indexer.db import Connection, queries
from node.audit.compare import Table
from node.audit.traded import Link
from node.market.sequence import Event, auction_subject
from node.metering import keys
from node.metering import service as metering
from node.metering.readings import SignedReading, State
from node.metering.service import Meter, MeterSlot

_SQL = queries(__name__)


@dataclass(frozen=True, slots=True)
class MeterEvidence:
    """The meters that a slot was settled with: their readings, and what was stored of them."""

    meters: dict[int, Meter]
    stored: dict[int, MeterSlot]
    readings: Sequence[SignedReading]
    proved_late: frozenset[int]
    """Stored as missing, and not proved in time."""
    former_keys: dict[tuple[int, bytes], int]
    """Until when (Unix seconds) each former key signed for its meter."""
    rekeyed: frozenset[int]
    """Whose key changed so lately that the chain may not know."""


@dataclass(frozen=True, slots=True)
class RecordedCharge:
    """What an account owed and could be charged, as recorded with the batch."""

    account: bytes
    owed: int
    cap: int
    locked: int
    """Cash that the cap left out: held for orders in other slots, or all of it where the charge was withheld."""
    block_number: int
    block_hash: bytes
    canonical: bool
    """False when a reorganisation has removed the block that the cap was read at."""
    batch: int
    """The batch of the settlement that charges it."""
    shares_budget: bool
    """True when an earlier batch charged the account for this slot or a later one."""


@dataclass(frozen=True, slots=True)
class RecordedVoid:
    """An order that was left out of the batch, as recorded with it."""

    digest: bytes
    account: bytes
    reason: str
    block_number: int
    block_hash: bytes
    batch: int
    """The first batch of the settlement that goes without it."""
    canonical: bool
    """False when a reorganisation has removed the block that it was judged at."""


@dataclass(frozen=True, slots=True)
class Register:
    """Meters that the chain had in use in a zone over a span of time."""

    ever: frozenset[int]
    throughout: frozenset[int]


@dataclass(frozen=True, slots=True)
class Mirror:
    """Mirrored vault accounts as of one block."""

    block_number: int
    block_hash: bytes
    accounts: dict[bytes, tuple[int, int, int]]
    """Cash, energy and nonce floor."""


async def meter_evidence(
    db: Connection, zone: int, delivery_start: int, slot_end: int, version: int, computed_at: datetime
) -> MeterEvidence:
    """Reads the meters' side of a slot."""
    stored = {slot.meter_id: slot for slot in await metering.load_slot_energy(db, zone, delivery_start, version)}
    known = await metering.meters(db, meter_ids=list(stored), active=False)
    unproved = [slot.meter_id for slot in stored.values() if slot.state != State.VALIDATED]
    late = await db.fetch(_SQL["proved_late"], unproved, slot_end, computed_at)
    late_known = await db.fetchval(_SQL["late_known"], zone, delivery_start, version)
    return MeterEvidence(
        meters={meter.meter_id: meter for meter in known},
        stored=stored,
        readings=await metering.raw_readings(db, zone, delivery_start, slot_end, late_known),
        proved_late=frozenset(row["meter_id"] for row in late),
        former_keys=await keys.former(db, list(stored)),
        rekeyed=await keys.changed_lately(db, list(stored)),
    )


async def auction(db: Connection, zone: int, delivery_start: int) -> asyncpg.Record | None:
    """The stored auction of a slot."""
    return await db.fetchrow(_SQL["auction"], zone, delivery_start)


async def links(db: Connection, zone: int, delivery_start: int) -> list[Link]:
    """All events of a slot in the market's sequence."""
    rows = await db.fetch(_SQL["events"], auction_subject(zone, delivery_start))
    return [Link(Event(*list(row.values())[:6]), row["hash_before"]) for row in rows]


async def trades(db: Connection, zones: Collection[int], delivery_start: int) -> Table:
    """The stored trades of a slot."""
    rows = await db.fetch(_SQL["trades"], list(zones), delivery_start)
    return {f"trade {row['trade_number']}": dict(row) for row in rows}


async def attested_roots(db: Connection, chain_id: int, zone: int, slot_end: int) -> set[bytes]:
    """All commitments to a zone's readings as of the end of a slot."""
    return {row["readings_root"] for row in await db.fetch(_SQL["attested_roots"], chain_id, zone, slot_end)}


async def charges(db: Connection, chain_id: int, settlement_id: int) -> list[RecordedCharge]:
    """The recorded charges, in account order."""
    rows = await db.fetch(_SQL["charges"], settlement_id, chain_id)
    return [
        RecordedCharge(
            account=row["account"],
            owed=int(row["owed"]),
            cap=int(row["cap"]),
            locked=int(row["locked"]),
            block_number=row["as_of_block"],
            block_hash=row["as_of_hash"],
            batch=row["batch"],
            canonical=row["canonical"],
            shares_budget=row["shares_budget"],
        )
        for row in rows
    ]


async def voids(db: Connection, chain_id: int, settlement_id: int) -> list[RecordedVoid]:
    """The recorded voids, in the order of their digests."""
    return [RecordedVoid(*row) for row in await db.fetch(_SQL["voids"], settlement_id, chain_id)]


async def register(db: Connection, chain_id: int, zone: int, from_s: int, to_block: int) -> Register:
    """The chain's register of meters in a zone, from a time to a block."""
    rows = await db.fetch(_SQL["registered"], chain_id, zone, from_s, to_block)
    return Register(
        ever=frozenset(row["meter_id"] for row in rows if row["ever"]),
        throughout=frozenset(row["meter_id"] for row in rows if row["throughout"]),
    )


async def sequences(db: Connection, delivery_start: int) -> set[int]:
    """The numbers of all batches that settled a slot, in any zone."""
    return {row["batch_sequence"] for row in await db.fetch(_SQL["sequences"], delivery_start)}


async def mirror(db: Connection, chain_id: int, accounts: Iterable[bytes] | None = None) -> Mirror | None:
    """The mirrored vault accounts, all of them or those asked for; None before there are any."""
    wanted = None if accounts is None else list(accounts)
    rows = await db.fetch(_SQL["balances"], chain_id, wanted)
    if not rows:
        return None
    return Mirror(
        rows[0]["block_number"],
        rows[0]["block_hash"],
        {row["account"]: (int(row["cash"]), int(row["energy_wh"]), row["nonce"]) for row in rows},
    )
