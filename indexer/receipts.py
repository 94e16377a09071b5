"""Receipts from a node: fetched whole for a block, recomputed, and compared with what the node said before."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import Final, Protocol

from indexer.block import Block
from indexer.errors import RpcRefused
from indexer.logs import Log, Logs
from indexer.proof import event
from indexer.proof.agreement import Wanted, check_block
from indexer.proof.errors import NotRecomputable, ReceiptsDisagree
from indexer.proof.event import EventProof
from indexer.proof.header import FullHeader
from indexer.proof.receipt import FullReceipt
from indexer.rpc import Call, Result, decode

logger = logging.getLogger(__name__)

BLOCKS_AT_ONCE: Final = 16
RECEIPTS_AT_ONCE: Final = 200


class Transport(Protocol):
    """What is needed of the JSON-RPC client."""

    async def batch(self, calls: Sequence[Call]) -> list[Result]: ...


class BlockWithTransactions(FullHeader, frozen=True, gc=False, rename="camel", kw_only=True):
    """A header and the hashes of the block's transactions."""

    transactions: tuple[str, ...] = ()


class ReceiptVerifier:
    """Checks blocks against all that their hashes commit to.

    Which of them is chosen by their hashes: an endpoint cannot tell beforehand, and every run checks the same ones.
    """

    def __init__(self, every: int) -> None:
        """
        Args:
            every: 1 checks all blocks, ``n`` one in ``n`` on average, 0 none.
        """
        self.every = every
        self.verified = 0
        """Blocks found in agreement so far."""
        self.unverified = 0
        """Blocks that were chosen, and whose node gives no receipts or hashes in an unknown way."""

    def chosen(self, blocks: Sequence[Block]) -> list[Block]:
        if not self.every:
            return []
        return [block for block in blocks if int.from_bytes(block.hash[-8:], "big") % self.every == 0]

    async def check(self, rpc: Transport, blocks: Sequence[Block], logs: Logs, wanted: Wanted) -> None:
        """Checks the chosen ones of ``blocks``; ``logs`` are all that were given for them.

        Raises:
            ReceiptsDisagree: what the endpoint says of a block cannot all be true.
            RpcUnavailable: as the transport.
        """
        chosen = self.chosen(blocks)
        if not chosen:
            return
        given = _by_block(logs, chosen)
        for at in range(0, len(chosen), BLOCKS_AT_ONCE):
            part = chosen[at : at + BLOCKS_AT_ONCE]
            for block, (header, receipts) in zip(part, await _fetch(rpc, part), strict=True):
                self._check(block, header, receipts, given[block.number], wanted)

    def _check(
        self,
        block: Block,
        header: BlockWithTransactions | None,
        receipts: tuple[FullReceipt, ...] | None,
        logs: list[Log],
        wanted: Wanted,
    ) -> None:
        if header is None:
            raise ReceiptsDisagree(f"block {block.number} 0x{block.hash.hex()} was given and is not there any more")
        try:
            if receipts is None:
                raise NotRecomputable(f"block {block.number}: the endpoint gives no receipts")
            if header.hash.lower() != "0x" + block.hash.hex():
                raise ReceiptsDisagree(f"block {block.number} was asked for by its hash, {header.hash[:80]} came")
            check_block(header, receipts, logs, wanted)
        except NotRecomputable as error:
            if not self.unverified:
                logger.warning("not verified block=%d reason=%s", block.number, error)
            self.unverified += 1
        else:
            self.verified += 1


async def prove(rpc: Transport, chain_id: int, block_hash: bytes, log_index: int) -> EventProof | None:
    """The proof of one log; None where the node has no such block, no receipts of it, or it has no such log.

    Raises:
        ReceiptsDisagree, NotRecomputable, RpcUnavailable: there is no proof to be had from this node now.
    """
    ((header, receipts),) = await _fetch(rpc, [block_hash])
    if header is None or receipts is None:
        return None
    if header.hash.lower() != "0x" + block_hash.hex():
        raise ReceiptsDisagree(f"block 0x{block_hash.hex()} was asked for, {header.hash[:80]} came")
    return event.build(chain_id, header, receipts, log_index)


_Found = tuple[BlockWithTransactions | None, tuple[FullReceipt, ...] | None]


async def _fetch(rpc: Transport, blocks: Sequence[Block | bytes]) -> list[_Found]:
    """Header and receipts of each block, by its hash; receipts one by one where the node has no call for all."""
    texts = ["0x" + (block.hash if isinstance(block, Block) else block).hex() for block in blocks]
    results = await rpc.batch(
        [Call("eth_getBlockByHash", (text, False)) for text in texts]
        + [Call("eth_getBlockReceipts", ({"blockHash": text},)) for text in texts]
    )
    headers = [decode(result, BlockWithTransactions | None) for result in results[: len(texts)]]
    found: list[_Found] = []
    for header, text, result in zip(headers, texts, results[len(texts) :], strict=True):
        receipts = None if isinstance(result, RpcRefused) else decode(result, tuple[FullReceipt, ...] | None)
        if receipts is None and header is not None:
            receipts = await _by_hash(rpc, text, header)
        found.append((header, receipts))
    return found


async def _by_hash(rpc: Transport, block: str, header: BlockWithTransactions) -> tuple[FullReceipt, ...] | None:
    """A block's receipts by the hashes or numbers of its block or transactions; None where the node has them not."""
    (result,) = await rpc.batch([Call("eth_getBlockReceipts", (block,))])
    if not isinstance(result, RpcRefused) and (whole := decode(result, tuple[FullReceipt, ...] | None)) is not None:
        return tuple(whole)
    receipts: list[FullReceipt] = []
    for at in range(0, len(header.transactions), RECEIPTS_AT_ONCE):
        calls = [
            Call("eth_getTransactionReceipt", (hash_,)) for hash_ in header.transactions[at : at + RECEIPTS_AT_ONCE]
        ]
        for answer in await rpc.batch(calls):
            receipt = None if isinstance(answer, RpcRefused) else decode(answer, FullReceipt | None)
            if receipt is None:
                return None
            receipts.append(receipt)
    return tuple(receipts)


def _by_block(logs: Logs, blocks: Sequence[Block]) -> dict[int, list[Log]]:
    """The logs of some blocks, each with its own."""
    numbers = {block.number for block in blocks}
    found: dict[int, list[Log]] = defaultdict(list)
    for at, number in enumerate(logs.block_number.tolist()):
        if number in numbers:
            found[number].append(logs.row(at))
    return found
