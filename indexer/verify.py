"""Agreement of logs with the headers they are said to belong to.

An endpoint may mix two views of the chain in one answer, or lose logs. The bloom filter of a header commits to
every address and topic of its logs, so both are seen without trusting anyone.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

import numpy as np
from eth_hash.auto import keccak
from numpy.typing import NDArray

from indexer.block import BLOOM_BYTES, Block
from indexer.errors import Disagreement
from indexer.logs import Bytes2D, Integers, Logs
from indexer.wire import Page

Expected: TypeAlias = tuple[bytes, Sequence[bytes]]
"""An emitter, and the first topics that are asked of it: none for all."""


MOST_CHECKED: Final = 256
"""Logs of which every topic is looked at: each costs a hash."""


@lru_cache(maxsize=65_536)
def bloom_bits(value: bytes) -> tuple[int, int, int]:
    """The three bits that an address or a topic sets in a 2,048-bit bloom filter, the lowest being 0.

    Source: Ethereum yellow paper, section 4.3.1.
    """
    digest = keccak(value)
    first, second, third = (int.from_bytes(digest[at : at + 2], "big") & 2_047 for at in (0, 2, 4))
    return first, second, third


def bloom_mask(value: bytes) -> int:
    """The same bits as a number."""
    first, second, third = bloom_bits(value)
    return 1 << first | 1 << second | 1 << third


def bloom_has(bloom: int, value: bytes) -> bool:
    """False where no log of the block can carry ``value``; True where one may."""
    mask = bloom_mask(value)
    return bloom & mask == mask


def check_logs(blocks: Sequence[Block], page: Page, *, every_topic: bool) -> Logs:
    """The logs, once every one of them belongs to one of ``blocks``, in order, and is in its bloom filter.

    Args:
        blocks: consecutive.
        every_topic: check all topics against the filter, of many logs those of some; otherwise addresses and event
            topics only.

    Raises:
        Disagreement: says which log, and why.
    """
    logs = page.logs
    if not len(logs):
        return logs
    place = logs.block_number - blocks[0].number
    _check_blocks(blocks, page, place)
    _check_order(logs)
    blooms = _blooms(blocks)
    _check_bloom(blocks, blooms, place, logs.address)
    sample = np.linspace(0, len(logs) - 1, min(len(logs), MOST_CHECKED), dtype=np.int64)
    for number in range(logs.topics.shape[1] if every_topic else 1):
        rows = np.arange(len(logs)) if number == 0 else sample
        rows = rows[logs.topic_count[rows] > number]
        if len(rows):
            _check_bloom(blocks, blooms, place[rows], logs.topics[rows, number])
    return logs


def _check_blocks(blocks: Sequence[Block], page: Page, place: Integers) -> None:
    known = (place >= 0) & (place < len(blocks))
    hashes = np.frombuffer(b"".join(block.hash for block in blocks), dtype=np.uint8).reshape(len(blocks), -1)
    if known.all() and np.array_equal(hashes[place], page.block_hash):
        return
    same = known.copy()
    same[known] = (hashes[place[known]] == page.block_hash[known]).all(axis=1)
    at = int(np.argmin(same))
    raise Disagreement(
        f"log {page.logs.log_index[at]} is of block {page.logs.block_number[at]} "
        f"0x{page.block_hash[at].tobytes().hex()}, unknown"
    )


def _check_order(logs: Logs) -> None:
    numbers, indexes = logs.block_number, logs.log_index
    later = (numbers[1:] > numbers[:-1]) | ((numbers[1:] == numbers[:-1]) & (indexes[1:] > indexes[:-1]))
    if not later.all():
        at = int(np.argmin(later))
        raise Disagreement(
            f"block {numbers[at + 1]}: log {indexes[at + 1]} comes after log {indexes[at]} of block {numbers[at]}"
        )


def _blooms(blocks: Sequence[Block]) -> NDArray[np.bool_]:
    """(blocks, 2,048) bits, the lowest first."""
    if wrong := next((block for block in blocks if len(block.logs_bloom) != BLOOM_BYTES), None):
        raise Disagreement(f"block {wrong.number}: bloom filter of {len(wrong.logs_bloom)} bytes")
    whole = np.frombuffer(b"".join(block.logs_bloom for block in blocks), dtype=np.uint8)
    bits = np.unpackbits(whole.reshape(len(blocks), BLOOM_BYTES)[:, ::-1], axis=1, bitorder="little")
    return bits.view(np.bool_)


def _check_bloom(blocks: Sequence[Block], blooms: NDArray[np.bool_], place: Integers, values: Bytes2D) -> None:
    """Runs of one value in one block are looked at once."""
    new = np.ones(len(place), dtype=np.bool_)
    new[1:] = (place[1:] != place[:-1]) | (values[1:] != values[:-1]).any(axis=1)
    pairs = set(zip(place[new].tolist(), map(bytes, values[new]), strict=True))
    bits = np.array([bloom_bits(value) for _, value in pairs])
    places = np.array([at for at, _ in pairs])
    has = blooms[places[:, None], bits].all(axis=1)
    if not has.all():
        at, value = list(pairs)[int(np.argmin(has))]
        raise Disagreement(f"block {blocks[at].number}: 0x{value.hex()} is in a log but not in the bloom filter")


def unaccounted(
    blocks: Sequence[Block], logs: Logs, expected: Iterable[Expected], *, most_chance: float = 1.0
) -> list[Block]:
    """Blocks whose bloom filter says that an expected log may be there, and none of its emitter is.

    Args:
        most_chance: where the filter is so full that it names anything with a higher probability, its word is
            not taken.
    """
    if not any(any(block.logs_bloom) for block in blocks):
        return []
    blooms, place = _blooms(blocks), logs.block_number - blocks[0].number
    filled = blooms.mean(axis=1)
    doubtful = np.zeros(len(blocks), dtype=np.bool_)
    for address, topics in expected:
        named, bits = blooms[:, bloom_bits(address)].all(axis=1), 3
        if topics:
            named &= np.any([blooms[:, bloom_bits(topic)].all(axis=1) for topic in topics], axis=0)
            bits = 6
        named &= filled**bits <= most_chance
        if named.any():
            spoke = (logs.address == np.frombuffer(address, dtype=np.uint8)).all(axis=1)
            named[place[spoke]] = False
            doubtful |= named
    return [blocks[at] for at in np.flatnonzero(doubtful).tolist()]


def check_same(given: Logs, whole: Logs) -> None:
    """Raises Disagreement where a block's logs are not among those of its receipts."""
    if given.same_as(whole):
        return
    known = {log.log_index: log for log in whole}
    for log in given:
        if known.get(log.log_index) != log:
            raise Disagreement(f"block {log.block_number}: log {log.log_index} is not in the block's receipts")
