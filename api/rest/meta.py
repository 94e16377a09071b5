"""The stamp on every answer: as of which block it holds."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import Depends, Query, Response
from starlette.requests import Request

from api.deps import Reader, Services, Site
from api.rest.fields import Answer, Hash, Instant
from indexer import history, read
from indexer.history import Block
from indexer.read import Head
from node.errors import Conflict, NotFound, Refused

IMMUTABLE: Final = "public, max-age=31536000, immutable"
"""Of what is final: nobody needs to ask again."""
PUBLIC: Final = "/v1/ledger/"
"""What is under it holds for everybody."""


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


class NotFinal(Conflict):
    """The block you ask for is not as final as you ask yet."""

    code = "not-final"
    retryable = True


class HistoryUnavailable(Refused):
    """This is only known as of now: no facts are kept of what it was at an earlier block."""

    code = "history-unavailable"


class BlockNotKept(NotFound):
    """The index keeps no such block: it begins later, or that block had nothing of ours."""

    code = "block-not-kept"


Finality = Literal["latest", "safe", "finalized"]
PINS: Final = frozenset({"block", "finality"})


async def _head(db: Reader, site: Site) -> Head | None:
    return await read.head(db, site.chain_id)


IndexHead = Annotated[Head | None, Depends(_head, scope="function")]
"""Where the index stands in this request's snapshot; read once."""


async def stamp(db: Any, site: Services, *, min_block: int | None = None) -> Meta | None:
    """The index's head in this snapshot; None before the first block.

    Raises:
        IndexBehind: it has not reached ``min_block``.
    """
    return _stamp(site, await read.head(db, site.chain_id), min_block)


def _stamp(site: Services, head: Head | None, min_block: int | None) -> Meta | None:
    if min_block is not None and (head is None or head.number < min_block):
        raise IndexBehind(f"indexed up to block {head.number if head else 'none'}, not {min_block}")
    if head is None or head.time is None:
        return None
    return _told(site, head, Block(head.number, head.hash, head.time))


async def _at(db: Any, site: Services, head: Head | None, block: int | None, finality: Finality) -> Meta | None:
    """The block that ``block`` or else ``finality`` names; None before the first block.

    Raises:
        IndexBehind, NotFinal, BlockNotKept.
    """
    if head is None:
        if block is not None:
            raise IndexBehind(f"nothing is indexed, you ask for block {block}")
        return None
    if block is None and head.time is None:
        return None
    level = {"latest": head.number, "safe": head.safe, "finalized": head.finalized}[finality]
    level = min(level, head.number)
    if block is not None and block > head.number:
        raise IndexBehind(f"indexed up to block {head.number}, not {block}")
    if block is not None and block > level:
        raise NotFinal(f"{finality} is block {level}, not {block}")
    if block is None and level == head.number and head.time is not None:
        return _told(site, head, Block(head.number, head.hash, head.time))
    found = await history.block_at(db, site.chain_id, level if block is None else block)
    if found is None or (block is not None and found.number != block):
        nearest = "" if found is None else f"; the one kept before it is {found.number}"
        raise BlockNotKept(f"block {level if block is None else block} is not kept{nearest}")
    return _told(site, head, found)


def _told(site: Services, head: Head, block: Block) -> Meta:
    return Meta(
        chain_id=site.chain_id,
        block_number=block.number,
        block_hash=block.hash,
        block_time=datetime.fromtimestamp(block.time, UTC),
        finality="finalized" if block.number <= head.finalized else "safe" if block.number <= head.safe else "latest",
        lag_blocks=max(0, head.head - block.number),
        lag_seconds=max(0, int(site.clock.now_s()) - block.time),
        reorg_epoch=head.reorg_epoch,
    )


def as_of(meta: Meta | None) -> int | None:
    """The block up to which facts are told; None before the first."""
    return None if meta is None else meta.block_number


MinBlock = Annotated[int | None, Query(ge=0, description="409 index-behind until this block is indexed")]
AtBlock = Annotated[
    int | None, Query(ge=0, lt=1 << 63, description="As it was after this block, not as of the newest that is indexed")
]
AsFinal = Annotated[
    Finality, Query(description="As of the newest block that is this final; with `block`, 409 not-final unless it is")
]


async def unpinned(request: Request) -> None:
    """Raises HistoryUnavailable for who asks how something was that is only known as it is."""
    if asked := PINS & request.query_params.keys():
        raise HistoryUnavailable(f"{request.url.path} takes no {' and no '.join(sorted(asked))}")


async def _meta(
    _: Annotated[None, Depends(unpinned)], head: IndexHead, site: Site, min_block: MinBlock = None
) -> Meta | None:
    return _stamp(site, head, min_block)


async def _pinned(
    request: Request,
    response: Response,
    db: Reader,
    head: IndexHead,
    site: Site,
    min_block: MinBlock = None,
    block: AtBlock = None,
    finality: AsFinal = "latest",
) -> Meta | None:
    meta = await _at(db, site, head, block, finality)
    if min_block is not None and (meta is None or meta.block_number < min_block):
        raise IndexBehind(f"this is as of block {meta.block_number if meta else 'none'}, not {min_block}")
    if block is not None and meta and meta.finality == "finalized" and request.url.path.startswith(PUBLIC):
        response.headers["Cache-Control"] = IMMUTABLE
    return meta


async def _epoch(head: IndexHead) -> int:
    return 0 if head is None else head.reorg_epoch


Stamp = Annotated[Meta | None, Depends(_meta, scope="function")]
Pinned = Annotated[Meta | None, Depends(_pinned, scope="function")]
"""For routes that can tell how it was at an earlier block."""
Epoch = Annotated[int, Depends(_epoch, scope="function")]
