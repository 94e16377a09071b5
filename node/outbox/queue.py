"""The outbox as its callers see it: ask for a transaction once, and learn what became of it."""

from dataclasses import dataclass

from contracts.typed_data import checksum
from indexer.db import Connection, queries
from node.errors import Conflict, NotFound

SQL = queries(__name__)


class OutboxConflict(Conflict):
    """The key already names another transaction."""

    code = "outbox-conflict"


class TransactionUnknown(NotFound):
    """There is no transaction of this number."""

    code = "transaction-unknown"


@dataclass(frozen=True, slots=True)
class Status:
    """What became of a transaction."""

    id: int
    key: str
    kind: str
    state: str
    """queued, signed, sent, mined, final or failed. mined may go back to sent in a reorganisation; so may failed
    where ``block_number`` is set."""
    nonce: int | None
    transaction_hash: bytes | None
    block_number: int | None
    gas_used: int | None
    attempts: int
    """How often it was signed: once, and again for each rise of the fee."""
    error: str | None

    @property
    def succeeded(self) -> bool:
        """Whether its effect is on chain now."""
        return self.state in ("mined", "final")


async def enqueue(
    db: Connection,
    *,
    key: str,
    kind: str,
    sender: bytes,
    target: bytes,
    calldata: bytes,
    gas_limit: int | None = None,
) -> int:
    """Asks for one transaction; call it in the database transaction of its cause. Returns the outbox number.

    ``key`` names the effect: asking again finds the first request, whatever became of it. Requests of one ``kind``
    take effect in the order in which they were made; ``policy`` names kinds that share their order, or need none.

    Raises:
        OutboxConflict: the key names a transaction with another sender, target or calldata.
    """
    added = await db.fetchrow(SQL["enqueue"], key, kind, sender, target, calldata, gas_limit)
    if added is not None:
        return int(added["id"])
    first = await db.fetchrow(SQL["same"], key, sender, target, calldata)
    assert first is not None, "rows are never deleted"
    if not first["same"]:
        raise OutboxConflict(f"{key!r} already names another transaction than this one to {checksum(target)}")
    return int(first["id"])


async def state(db: Connection, outbox_id: int) -> Status:
    """What became of a transaction.

    Raises:
        TransactionUnknown: there is none of this number.
    """
    row = await db.fetchrow(SQL["by_id"], outbox_id)
    if row is None:
        raise TransactionUnknown(f"there is no transaction {outbox_id}")
    return Status(**row)


async def find(db: Connection, key: str) -> Status | None:
    """What became of the transaction with this effect, or None where nobody asked for it."""
    row = await db.fetchrow(SQL["by_key"], key)
    return None if row is None else Status(**row)


async def retry(db: Connection, outbox_id: int) -> bool:
    """Queues a failed transaction again; False where it has not failed, or its failure is not final yet."""
    return await db.fetchrow(SQL["retry"], outbox_id) is not None
