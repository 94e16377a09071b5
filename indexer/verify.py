"""Agreement of logs with the headers they are said to belong to.

An endpoint may mix two views of the chain in one answer, or lose logs. The bloom filter of a header commits to
every address and topic of its logs, so both are seen without trusting anyone.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from eth_hash.auto import keccak

from indexer.block import Block, LogAnswer, unhex
from indexer.errors import Disagreement

BLOOM_BYTES = 256


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
    """Blocks without a log although their bloom filter says that a watched address may have emitted one."""
    masks = [bloom_mask(address) for address in addresses]
    with_logs = {int(log.block_number, 16) for log in logs}
    silent = (block for block in blocks if block.number not in with_logs and any(block.logs_bloom))
    return [block for block in silent if _any_mask(int.from_bytes(block.logs_bloom, "big"), masks)]


def _any_mask(bloom: int, masks: Sequence[int]) -> bool:
    return any(bloom & mask == mask for mask in masks)


def _runs(by_number: dict[int, Block], logs: Sequence[LogAnswer]) -> Iterator[tuple[Block, int, Sequence[LogAnswer]]]:
    """Stretches of logs that name the same block, each with that block and where the stretch starts."""
    start = 0
    for end in range(1, len(logs) + 1):
        if end < len(logs) and logs[end].block_hash == logs[start].block_hash:
            continue
        log = logs[start]
        block = by_number.get(int(log.block_number, 16))
        if block is None or unhex(log.block_hash) != block.hash:
            raise Disagreement(f"log {log.log_index} is of block {log.block_number} {log.block_hash}, unknown")
        yield block, start, logs[start:end]
        start = end


def _check_order(block: Block, start: int, logs: Sequence[LogAnswer]) -> None:
    number, previous = logs[0].block_number, -1
    for log in logs:
        index = int(log.log_index, 16)
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
