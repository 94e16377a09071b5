"""Agreement of a block's receipts with its header and with the logs that were given. Pure.

A header commits to all receipts and so to every log, in order: what an endpoint lost, added or changed shows here
without trusting it or any other.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from indexer.block import HASH_BYTES, quantity, unhex
from indexer.proof import header as headers
from indexer.proof import receipt as receipts
from indexer.proof import trie
from indexer.proof.errors import ReceiptsDisagree
from indexer.proof.header import FullHeader
from indexer.proof.receipt import FullReceipt


class GivenLog(Protocol):
    """A log as the indexer takes it."""

    @property
    def log_index(self) -> int: ...
    @property
    def transaction_hash(self) -> bytes: ...
    @property
    def address(self) -> bytes: ...
    @property
    def topics(self) -> tuple[bytes, ...]: ...
    @property
    def data(self) -> bytes: ...


Wanted: TypeAlias = Callable[[bytes, tuple[bytes, ...], int], bool]
"""Whether a log of this address with these topics in the block of this number was asked for."""


class Content(NamedTuple):
    """A log as it must be the same on both sides."""

    log_index: int
    transaction_hash: bytes
    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


def check_block(
    header: FullHeader,
    block_receipts: Sequence[FullReceipt],
    logs: Iterable[GivenLog],
    wanted: Wanted,
) -> None:
    """Checks the watched logs of one block against everything that its hash commits to.

    Raises:
        ReceiptsDisagree: says what, and by how many logs.
        NotRecomputable: hashes of this chain are taken in a way not known here.
    """
    headers.encode(header)
    number = quantity(header.number)
    root = trie.ordered_root(in_order(header, block_receipts))
    if root != unhex(header.receipts_root, HASH_BYTES):
        raise ReceiptsDisagree(
            f"block {number}: {len(block_receipts)} receipts have the root 0x{root.hex()}, "
            f"the header has {header.receipts_root}"
        )
    committed = [log for log in _committed(number, block_receipts) if wanted(log.address, log.topics, number)]
    given = [
        Content(log.log_index, log.transaction_hash, log.address, log.topics, log.data)
        for log in logs
        if wanted(log.address, log.topics, number)
    ]
    if given != committed:
        raise ReceiptsDisagree(f"block {number}: {difference(given, committed)}")


def difference(given: Sequence[Content], committed: Sequence[Content]) -> str:
    """What is wrong with the logs given, for the log."""
    lost, added = set(committed).difference(given), set(given).difference(committed)
    if not lost and not added:
        return "its logs were given twice or out of order"
    first = min(lost or added)
    return (
        f"{len(lost)} logs of its receipts were not given and {len(added)} others were, "
        f"first at index {first.log_index} of 0x{first.address.hex()}"
    )


def in_order(header: FullHeader, block_receipts: Sequence[FullReceipt]) -> list[bytes]:
    """The encoded receipts of a block by position.

    Raises:
        ReceiptsDisagree: they are malformed, of another block, or not one for every position.
        NotRecomputable: as ``receipt.encode``.
    """
    try:
        for position, receipt in enumerate(block_receipts):
            if quantity(receipt.transaction_index) != position or receipt.block_hash.lower() != header.hash.lower():
                raise ReceiptsDisagree(
                    f"receipt {position} of block {quantity(header.number)} is said to be number "
                    f"{receipt.transaction_index[:80]} of block {receipt.block_hash[:80]}"
                )
        return [receipts.encode(receipt) for receipt in block_receipts]
    except ValueError as error:
        raise ReceiptsDisagree(f"a receipt is malformed: {error}") from error


def _committed(number: int, block_receipts: Sequence[FullReceipt]) -> list[Content]:
    """All logs of a block. The root does not commit to indexes and hashes: the first must count, the others follow."""
    found: list[Content] = []
    for receipt in block_receipts:
        transaction = unhex(receipt.transaction_hash, HASH_BYTES)
        for log in receipt.logs:
            entry = receipts.entry_of(log)
            found.append(Content(len(found), transaction, entry.address, entry.topics, entry.data))
            if quantity(log.log_index) != len(found) - 1:
                raise ReceiptsDisagree(f"block {number}: log {len(found) - 1} is given the index {log.log_index[:80]}")
    return found
