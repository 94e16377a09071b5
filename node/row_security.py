"""Whose rows a transaction sees: it works as a role that owns nothing, for one caller, until it ends.

Everything is set for the transaction alone (``SET LOCAL``), so that a connection goes back to its pool as it came,
whatever becomes of the request. The policies are in migration 0016.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from indexer.db import Connection, queries

SQL = queries(__name__)

APPLICATION_ROLE: Final = "gridtrace_app"


async def act_as(
    db: Connection, published_until_s: float, account: bytes = b"", user_id: UUID | None = None, role: str = ""
) -> None:
    """For the rest of the transaction only what is the caller's is seen and changed; by default there is nobody.

    Args:
        published_until_s: Unix seconds; orders of delivery slots up to here are everybody's to see.
    """
    user = "" if user_id is None else str(user_id)
    await db.execute(SQL["act_as"], APPLICATION_ROLE, account.hex(), user, role, str(published_until_s))


@asynccontextmanager
async def as_everybody(db: Connection) -> AsyncIterator[None]:
    """Everybody's rows are seen within, in a transaction of ``act_as``: only for what is told of all, as sums are."""
    await db.execute(SQL["as_owner"])
    yield
    await db.execute(SQL["as_application"], APPLICATION_ROLE)
