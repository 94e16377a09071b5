"""The rows of a settlement's batches: which are on their way, and where the mirrored chain has the others."""

from dataclasses import dataclass

from indexer.db import Connection, queries

_SQL = queries(__name__)


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One batch; without a block it is on its way."""

    ordinal: int
    sequence: int
    transaction_hash: bytes | None
    block_number: int | None
    gas_used: int | None


async def batches_of(db: Connection, settlement_id: int) -> list[BatchRow]:
    """The batches of a settlement that were made, in their order."""
    return [BatchRow(*row) for row in await db.fetch(_SQL["of"], settlement_id)]


async def submit(db: Connection, settlement_id: int, ordinal: int, sequence: int, data: bytes) -> None:
    """Keeps a batch under its number."""
    await db.execute(_SQL["submit"], settlement_id, ordinal, sequence, data)
    await db.execute(_SQL["sum_up"], settlement_id, False)


async def place(
    db: Connection,
    settlement_id: int,
    before: BatchRow,
    transaction_hash: bytes,
    block_number: int,
    gas_used: int | None,
) -> None:
    """Keeps where the mirrored chain has a batch."""
    moved = (before.transaction_hash, before.block_number) != (transaction_hash, block_number)
    await db.execute(_SQL["place"], settlement_id, before.ordinal, transaction_hash, block_number, gas_used)
    await db.execute(_SQL["sum_up"], settlement_id, moved)


async def remove(db: Connection, settlement_id: int, ordinal: int) -> None:
    """A reorganisation took this batch and those after it out of the chain."""
    await db.execute(_SQL["remove"], settlement_id, ordinal)
    await db.execute(_SQL["sum_up"], settlement_id, True)


async def withdraw(db: Connection, settlement_id: int, ordinal: int) -> None:
    """This batch and those after it will not be on chain: their numbers are free."""
    await db.execute(_SQL["withdraw"], settlement_id, ordinal)
    await db.execute(_SQL["sum_up"], settlement_id, True)
