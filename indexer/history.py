"""What the mirrored chain was after an earlier block, folded anew from the events up to it.

Dearer than ``indexer.read``, which has the newest state ready; every answer is one statement.
"""

from dataclasses import dataclass

from indexer.db import Connection, queries
from indexer.read import Balance, Mandate, Participant, integers

SQL = queries(__name__)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of the mirror; ``time`` in Unix seconds."""

    number: int
    hash: bytes
    time: int


async def block_at(db: Connection, chain_id: int, number: int) -> Block | None:
    """The newest block up to a number that the mirror keeps: it need not have every one."""
    row = await db.fetchrow(SQL["block_at"], chain_id, number)
    return None if row is None else Block(**row)


async def balance_at(db: Connection, chain_id: int, account: bytes, block: int) -> Balance:
    """A vault account; all zero where no event had touched it."""
    return Balance(**integers(await db.fetchrow(SQL["balance_at"], chain_id, account, block)))


async def token_balance_at(db: Connection, chain_id: int, token: bytes, account: bytes, block: int) -> int:
    """Payment token outside the vault, in its units."""
    return int(await db.fetchval(SQL["token_balance_at"], chain_id, token, account, block))


async def participant_at(db: Connection, chain_id: int, account: bytes, block: int) -> Participant | None:
    """Clearance; None where there was none."""
    row = await db.fetchrow(SQL["participant_at"], chain_id, account, block)
    return None if row is None else Participant(**integers(row))


async def mandate_at(db: Connection, chain_id: int, account: bytes, block: int) -> Mandate | None:
    """The mandate that held; None where there was none."""
    row = await db.fetchrow(SQL["mandate_at"], chain_id, account, block)
    return None if row is None else Mandate(**integers(row))
