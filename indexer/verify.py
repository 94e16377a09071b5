"""Agreement of logs with the headers they are said to belong to.

An endpoint may mix two views of the chain in one answer, or lose logs. The bloom filter of a header commits to
every address and topic of its logs, so both are seen without trusting anyone.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from eth_hash.auto import keccak

from indexer.block import BLOOM_BYTES, Block, LogAnswer, quantity, unhex
from indexer.errors import Disagreement

LARGEST_INDEX = (1 << 31) - 1


@lru_cache(maxsize=65_536)
def bloom_mask(value: bytes) -> int:
    """The three bits that an address or a topic sets in a 2,048-bit bloom filter.

    Source: Ethereum yellow paper, section 4.3.1.
    """
    digest = keccak(value)
    mask = 0
    for at in (0, 2, 4):
        mask |= 1 << (int.from_bytes(digest[at : at + 2], "big") & 2_047)
    return mask


def bloom_has(bloom: int, value: bytes) -> bool:
    """False where no log of the block can carry ``value``; True where one may."""
    mask = bloom_mask(value)
    return bloom & mask == mask


def check_logs(blocks: Sequence[Block], logs: Sequence[LogAnswer], *, every_topic: bool) -> None:
    """Checks that every log belongs to one of ``blocks``, in order, and is in its bloom filter.

    Args:
        every_topic: check all topics against the filter; otherwise addresses and event topics only.

    Raises:
        Disagreement: says which log, and why.
    """
    by_number = {block.number: block for block in blocks}
    previous = -1
    for block, index_start, run in _runs(by_number, logs):
        if block.number < previous:
            raise Disagreement(f"logs of block {block.number} come after those of block {previous}")
        previous = block.number
        _check_order(block, index_start, run)
        _check_bloom(block, run, every_topic)


def unaccounted(blocks: Iterable[Block], logs: Iterable[LogAnswer], addresses: Iterable[bytes]) -> list[Block]:
    """Blocks whose bloom filter says that a watched address may have emitted a log, and none of its is there."""
    masks = {"0x" + address.hex(): bloom_mask(address) for address in addresses}
    spoke = {(int(log.block_number, 16), log.address.lower()) for log in logs}

    def is_doubtful(block: Block) -> bool:
        bloom = int.from_bytes(block.logs_bloom, "big")
        return any(bloom & mask == mask and (block.number, address) not in spoke for address, mask in masks.items())

    return [block for block in blocks if any(block.logs_bloom) and is_doubtful(block)]


def check_same(given: Sequence[LogAnswer], whole: Sequence[LogAnswer]) -> None:
    """Raises Disagreement where a block's logs are not among those of its receipts."""
    known = {_content(log) for log in whole}
    if strange := next((log for log in given if _content(log) not in known), None):
        raise Disagreement(f"block {strange.block_number}: log {strange.log_index} is not in the block's receipts")


def _content(log: LogAnswer) -> tuple[str, ...]:
    return (log.log_index, log.block_hash, log.transaction_hash, log.address.lower(), log.data, *log.topics)


def _runs(by_number: dict[int, Block], logs: Sequence[LogAnswer]) -> Iterator[tuple[Block, int, Sequence[LogAnswer]]]:
    """Stretches of logs that name the same block, each with that block and where the stretch starts."""
    start = 0
    for end in range(1, len(logs) + 1):
        if end < len(logs) and logs[end].block_hash == logs[start].block_hash:
            continue
        log = logs[start]
        block = by_number.get(quantity(log.block_number))
        if block is None or unhex(log.block_hash) != block.hash:
            raise Disagreement(f"log {log.log_index} is of block {log.block_number} {log.block_hash}, unknown")
        yield block, start, logs[start:end]
        start = end


def _check_order(block: Block, start: int, logs: Sequence[LogAnswer]) -> None:
    number, previous = logs[0].block_number, -1
    for log in logs:
        index = quantity(log.log_index, LARGEST_INDEX)
        if index <= previous or log.removed or log.block_number != number:
            raise Disagreement(
                f"block {block.number}: log {index} follows log {previous}"
                f" (removed={log.removed}, number={log.block_number}, position {start})"
            )
        previous = index


def _check_bloom(block: Block, logs: Sequence[LogAnswer], every_topic: bool) -> None:
    if len(block.logs_bloom) != BLOOM_BYTES:
        raise Disagreement(f"block {block.number}: bloom filter of {len(block.logs_bloom)} bytes")
    bloom = int.from_bytes(block.logs_bloom, "big")
    for text in _committed(logs, every_topic):
        if not bloom_has(bloom, unhex(text)):
            raise Disagreement(f"block {block.number}: {text} is in a log but not in the bloom filter")


def _committed(logs: Sequence[LogAnswer], every_topic: bool) -> set[str]:
    values = {log.address for log in logs}
    if every_topic:
        values.update(topic for log in logs for topic in log.topics)
    else:
        values.update(log.topics[0] for log in logs if log.topics)
    return values
