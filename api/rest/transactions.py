"""How far the transactions are that we send for others."""

from fastapi import APIRouter

from api.deps import Reader, SignedIn, operates
from api.rest.fields import Answer, Hash, Instant, RowId
from indexer.db import queries
from node.errors import NotFound

router = APIRouter(tags=["transactions"])
SQL = queries(__name__)


class Transaction(Answer):
    """``state``: queued, signed, sent, mined, final, or failed with the contract's reason in ``error``."""

    outbox_id: int
    kind: str
    state: str
    transaction_hash: Hash | None
    block_number: int | None
    gas_used: int | None
    error: str | None
    created_at: Instant
    mined_at: Instant | None


@router.get("/v1/transactions/{outbox_id}")
async def transaction(outbox_id: RowId, caller: SignedIn, db: Reader) -> Transaction:
    """A transaction about the caller's own account, or any for operators."""
    row = await db.fetchrow(SQL["transaction"], outbox_id, caller.account.hex(), operates(caller))
    if row is None:
        raise NotFound
    return Transaction.model_validate(dict(row))
