"""The stamp on every answer: as of which block it holds."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Query

from api.deps import Reader, Services, Site
from api.rest.fields import Answer, Hash, Instant
from indexer import read
from node.errors import Conflict


class IndexBehind(Conflict):
    """The index has not reached the block you ask for yet."""

    code = "index-behind"
    retryable = True


class Meta(Answer):
    """As of which block the answer holds. ``lag_blocks`` is how far the chain was ahead when it was indexed,
    ``lag_seconds`` market time since that block."""

    chain_id: int
    block_number: int
    block_hash: Hash
    block_time: Instant
    finality: str
    lag_blocks: int
    lag_seconds: int
    reorg_epoch: int


async def stamp(db: Any, site: Services, *, min_block: int | None = None) -> Meta | None:
    """The index's head in this snapshot; None before the first block.

    Raises:
        IndexBehind: it has not reached ``min_block``.
    """
    head = await read.head(db, site.chain_id)
    if min_block is not None and (head is None or head.number < min_block):
        raise IndexBehind(f"indexed up to block {head.number if head else 'none'}, not {min_block}")
    if head is None or head.time is None:
        return None
    return Meta(
        chain_id=site.chain_id,
        block_number=head.number,
        block_hash=head.hash,
        block_time=datetime.fromtimestamp(head.time, UTC),
        finality="finalized" if head.number <= head.finalized else "latest",
        lag_blocks=max(0, head.head - head.number),
        lag_seconds=max(0, int(site.clock.now_s()) - head.time),
        reorg_epoch=head.reorg_epoch,
    )


MinBlock = Annotated[int | None, Query(ge=0, description="409 index-behind until this block is indexed")]


async def _meta(db: Reader, site: Site, min_block: MinBlock = None) -> Meta | None:
    return await stamp(db, site, min_block=min_block)


Stamp = Annotated[Meta | None, Depends(_meta, scope="function")]
