"""Projections whose statements changed: their state is made again from the facts, without a request to the chain.

It happens when the index process starts, in one transaction: whoever reads sees the old state until the new one is
whole, and the old one again if it fails. What a change of columns needs is a migration, as for any table.
"""

import hashlib
import logging
from collections.abc import Sequence
from typing import Final

from indexer.db import Connection, queries
from indexer.state import Projection

logger = logging.getLogger(__name__)

SQL = queries(__name__)
TIMEOUT_S: Final = 6 * 3_600.0
"""A whole history is folded by one statement."""
DIGEST_CHARACTERS: Final = 32


async def refold_changed(db: Connection, chain_id: int, projections: Sequence[Projection]) -> list[str]:
    """Folds what changed, and what reads it, again; returns the names. Needs a transaction.

    Args:
        projections: all that there are, in the order in which they run.
    """
    known = {row["name"]: row["digest"] for row in await db.fetch(SQL["known"], chain_id)}
    last: int | None = await db.fetchval(SQL["standing"], chain_id)
    late = {row["fact_table"] for row in await db.fetch(SQL["late"], chain_id)}
    changed: list[str] = []
    for projection in projections:
        digest = digest_of(projection)
        # A name that is not known yet may have state from before versions were kept: it is made again, too.
        if known.get(projection.name) == digest and projection.sources.isdisjoint(changed):
            continue
        # What is added later is folded when its history has come in.
        if last is not None and projection.sources.isdisjoint(late):
            logger.info("projection changed chain=%d name=%s: folding it again", chain_id, projection.name)
            await _refold(db, chain_id, projection, last)
            changed.append(projection.name)
        await db.execute(SQL["made"], chain_id, projection.name, digest)
    await db.execute(SQL["forget"], chain_id, [projection.name for projection in projections])
    return changed


def digest_of(projection: Projection) -> str:
    """Changes with any of the statements that make the state."""
    statements = (projection.fold, projection.unfold, projection.touched, projection.clear)
    text = "\0".join(statement or "" for statement in statements)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_CHARACTERS]


async def _refold(db: Connection, chain_id: int, projection: Projection, last: int) -> None:
    if projection.unfold:
        await db.execute(projection.unfold, chain_id, 0, timeout=TIMEOUT_S)
        await db.execute(projection.fold, chain_id, 0, last, timeout=TIMEOUT_S)
        return
    if projection.touched and projection.clear:
        keys = await db.fetchval(projection.touched, chain_id, 0, timeout=TIMEOUT_S)
        if keys:
            await db.execute(projection.clear, chain_id, keys, timeout=TIMEOUT_S)
    await db.execute(projection.fold, chain_id, 0, last, None, timeout=TIMEOUT_S)
