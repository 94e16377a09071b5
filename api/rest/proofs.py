"""Proofs of mirrored events against the chain's own block hashes, to be verified by anyone, offline."""

import asyncio
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Path

from api.deps import Services, Site, public
from api.rest import ledger_events
from api.rest.fields import Answer, Hash, Octets
from indexer.db import ACQUIRE_TIMEOUT_S, queries
from indexer.errors import GridtraceError, RpcRefused, RpcUnavailable, WrongChain
from indexer.proof import event
from indexer.proof.errors import NotRecomputable, ReceiptsDisagree
from indexer.proof.event import EventProof
from indexer.receipts import prove
from indexer.rpc import open_rpc
from node.errors import NotFound

router = APIRouter(tags=["ledger"], dependencies=[Depends(public)])
SQL = queries("api.rest.ledger")

TIMEOUT_S: Final = 10.0
EventId = Annotated[
    str,
    Path(pattern=r"^(0|[1-9][0-9]{0,15})-(0|[1-9][0-9]{0,5})$", description="Block number and log index: `1234-7`"),
]


class ProofUnavailable(GridtraceError):
    """The chain's node does not give what the proof is made of; try again shortly."""

    code = "unavailable"
    retryable = True


class Proof(Answer):
    """That an event is in a block; bytes are `0x…`. `gridtrace verify` checks it without any of our services.

    Proved are the log's address, topics and data, its position in the receipt and the receipt's in the block. The
    log's index in the block, the transaction's hash and the chain's number are told beside it.
    """

    format: str
    chain_id: int
    block_number: int
    block_hash: Hash
    header: Octets
    transaction_index: int
    receipt: Octets
    nodes: list[Octets]
    log_position: int
    address: Octets
    topics: list[Hash]
    data: Octets
    log_index: int
    transaction_hash: Hash


@router.get("/v1/ledger/events/{event_id}/proof")
async def proof(event_id: EventId, site: Site) -> Proof:
    """The header, the receipt and the trie nodes between them, fetched from the chain's node and checked."""
    number, log_index = map(int, event_id.split("-"))
    block_hash, row = await _mirrored(site, number, log_index)
    async with site.proofs.turn():
        found = await _proved(site, block_hash, log_index)
    shown = event.verify(found, block_hash)
    if shown.log.address != row["emitter"] or found.transaction_hash != "0x" + row["transaction_hash"].hex():
        raise ProofUnavailable(f"the chain has another log than the mirror at {event_id}")
    return Proof.model_validate(msgspec.to_builtins(found))


async def _mirrored(site: Services, number: int, log_index: int) -> tuple[bytes, Any]:
    """The hash of an event's block, and the event as mirrored. No connection is held while the chain is asked."""
    key = (number << ledger_events.LOG_INDEX_BITS) + log_index
    async with (
        site.pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as db,
        db.transaction(isolation="repeatable_read", readonly=True),
    ):
        block_hash = await db.fetchval(SQL["block_hash"], site.chain_id, number)
        rows = await ledger_events.newest(db, site.chain_id, None, None, key + 1, 1, None)
    if block_hash is None or not rows or rows[0]["key"] != key:
        raise NotFound
    return block_hash, rows[0]


async def _proved(site: Services, block_hash: bytes, log_index: int) -> EventProof:
    config = site.config.node.indexer
    try:
        async with asyncio.timeout(TIMEOUT_S), open_rpc(config.rpc_urls, config.chain_id) as rpc:
            found = await prove(rpc, config.chain_id, block_hash, log_index)
    except (ReceiptsDisagree, NotRecomputable, RpcRefused, RpcUnavailable, WrongChain, TimeoutError) as error:
        raise ProofUnavailable(f"no proof of block 0x{block_hash.hex()}: {error or 'no answer in time'}") from error
    if found is None:
        raise ProofUnavailable(f"the chain's node has not block 0x{block_hash.hex()}, or not its receipts")
    return found
