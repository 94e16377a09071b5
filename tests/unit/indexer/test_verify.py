"""Answers that contradict their headers are refused, whatever the contradiction."""

from typing import Any

import msgspec
import pytest

from indexer.errors import Disagreement
from indexer.lineage import check_links, common_ancestor
from indexer.logs import Logs
from indexer.verify import bloom_has, bloom_mask, check_logs, unaccounted
from indexer.wire import page_of
from tests.unit.indexer.logs import ADDRESS, block, block_hash, event, log

SAMPLE = event("Sample", ("uint256", "a", True))
ONE = log(SAMPLE, {"a": 1}, number=1, index=0)
TWO = log(SAMPLE, {"a": 2}, number=1, index=3)
THREE = log(SAMPLE, {"a": 3}, number=2, index=0)
BLOCKS = [block(1, [ONE, TWO]), block(2, [THREE])]


def test_check_logs__agreeing__passes() -> None:
    logs = check_logs(BLOCKS, page_of((ONE, TWO, THREE)), every_topic=True)
    assert logs.log_index.tolist() == [0, 3, 0]


@pytest.mark.parametrize(
    ("logs", "reason"),
    [
        ([TWO, ONE], "log 0 comes after log 3"),
        ([ONE, ONE], "log 0 comes after log 0"),
        ([THREE, ONE], "comes after"),
        ([msgspec.structs.replace(ONE, block_hash="0x" + "12" * 32)], "unknown"),
        ([msgspec.structs.replace(ONE, block_number="0x9")], "unknown"),
        ([ONE, msgspec.structs.replace(TWO, block_number="0x2")], "unknown"),
        ([msgspec.structs.replace(ONE, removed=True)], "removed"),
        ([msgspec.structs.replace(ONE, address="0x" + "77" * 20)], "not in the bloom filter"),
        ([msgspec.structs.replace(ONE, topics=(ONE.topics[0], "0x" + "78" * 32))], "not in the bloom filter"),
    ],
)
def test_check_logs__contradiction__is_refused(logs: list[Any], reason: str) -> None:
    with pytest.raises(Disagreement, match=reason):
        check_logs(BLOCKS, page_of(tuple(logs)), every_topic=True)


def test_bloom_mask__known_value__has_its_three_bits() -> None:
    # keccak256("") = c5d2 4601 86f7 233c…: the low 11 bits of the first three pairs.
    assert bloom_mask(b"") == 1 << 0x5D2 | 1 << 0x601 | 1 << 0x6F7
    assert not bloom_has(1 << 0x5D2 | 1 << 0x601, b"")


def test_unaccounted__bloom_promises_a_log__names_the_block() -> None:
    given = Logs.of([THREE])
    assert unaccounted(BLOCKS, given, [(ADDRESS, ())]) == [BLOCKS[0]]
    assert unaccounted(BLOCKS, given, [(b"\x55" * 20, ())]) == []
    assert unaccounted([block(3)], Logs.empty(), [(ADDRESS, ())]) == []


def test_check_links__gap_or_other_parent__is_refused() -> None:
    check_links([block(1), block(2), block(3)])
    for broken in ([block(1), block(3)], [block(1), block(2, parent_fork=9)]):
        with pytest.raises(Disagreement):
            check_links(broken)


def test_common_ancestor__views_diverge__is_the_last_shared() -> None:
    ours = {number: block_hash(number) for number in range(1, 9)}
    theirs = {number: block_hash(number, fork=number > 5) for number in range(3, 12)}
    assert common_ancestor(ours, theirs) == 5
    assert common_ancestor({1: b"a"}, {1: b"b"}) is None
