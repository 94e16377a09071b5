"""The outbox as its sender sees it. Each function is one statement, so each is one unit that a crash cannot split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from indexer.db import Connection, queries

SQL = queries(__name__)


@dataclass(frozen=True, slots=True)
class Queued:
    """A transaction without a nonce yet."""

    id: int
    kind: str
    target: bytes
    calldata: bytes
    gas_limit: int | None


@dataclass(frozen=True, slots=True)
class Live:
    """A transaction that holds a nonce and is not final."""

    id: int
    state: str
    nonce: int
    raw: bytes | None
    """The signed bytes, while no block holds the transaction."""
    transaction_hash: bytes
    replaced_hashes: list[bytes]
    block_number: int | None

    @property
    def unmined(self) -> bool:
        """Whether no block holds it."""
        return self.raw is not None

    @property
    def hashes(self) -> list[bytes]:
        """Every hash under which it may be mined."""
        return [self.transaction_hash, *self.replaced_hashes]


async def live(db: Connection, sender: bytes) -> list[Live]:
    """All live transactions of an account, in nonce order."""
    return [Live(**row) for row in await db.fetch(SQL["live"], sender)]


async def queued(db: Connection, sender: bytes, limit: int, lines: Mapping[str, str]) -> list[Queued]:
    """The oldest queued transactions of an account, ``limit`` of each line, in the order in which they were asked."""
    rows = await db.fetch(SQL["queued"], sender, limit, list(lines.keys()), list(lines.values()))
    return [Queued(**row) for row in rows]


async def payload(db: Connection, row_id: int) -> tuple[bytes, bytes]:
    """Target and calldata."""
    row = await db.fetchrow(SQL["payload"], row_id)
    assert row is not None
    return row["target"], row["calldata"]


async def mark_signed(db: Connection, row_id: int, nonce: int, raw: bytes, transaction_hash: bytes) -> None:
    """queued → signed."""
    await db.execute(SQL["mark_signed"], row_id, nonce, raw, transaction_hash)


async def mark_replaced(db: Connection, row_id: int, raw: bytes, transaction_hash: bytes) -> None:
    """signed or sent → signed again, with higher fees and the same nonce."""
    await db.execute(SQL["mark_replaced"], row_id, raw, transaction_hash)


async def mark_sent(db: Connection, row_id: int) -> None:
    """signed → sent."""
    await db.execute(SQL["mark_sent"], row_id)


async def mark_mined(
    db: Connection, row_id: int, transaction_hash: bytes, block_number: int, gas_used: int, error: str | None
) -> None:
    """→ mined, or failed where ``error`` says why the block reverted it. Tells gridtrace_outbox_done."""
    await db.execute(SQL["mark_mined"], row_id, transaction_hash, block_number, gas_used, error)


async def mark_lost(db: Connection, row_id: int) -> None:
    """mined or failed → sent: the block that held it is gone."""
    await db.execute(SQL["mark_lost"], row_id)


async def mark_final(db: Connection, row_ids: Sequence[int]) -> None:
    """mined → final; a failure becomes final too. Tells gridtrace_outbox_done."""
    await db.execute(SQL["mark_final"], row_ids)


async def mark_refused(db: Connection, row_id: int, error: str) -> None:
    """queued or signed → failed, without using its nonce. Tells gridtrace_outbox_done."""
    await db.execute(SQL["mark_refused"], row_id, error)


async def requeue(db: Connection, row_id: int) -> None:
    """signed or sent → queued: another transaction of the account has used its nonce."""
    await db.execute(SQL["requeue"], row_id)
