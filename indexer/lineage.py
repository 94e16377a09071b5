"""Which blocks two views of one chain share."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from indexer.block import Block
from indexer.errors import Disagreement


def check_links(blocks: Sequence[Block]) -> None:
    """Raises Disagreement unless every block is the child of the one before it."""
    for parent, child in pairwise(blocks):
        if child.number != parent.number + 1 or child.parent_hash != parent.hash:
            raise Disagreement(
                f"block {child.number} (parent {child.parent_hash.hex()}) does not follow "
                f"block {parent.number} ({parent.hash.hex()})"
            )


def common_ancestor(ours: Mapping[int, bytes], theirs: Mapping[int, bytes]) -> int | None:
    """The highest block number at which both views have the same hash; None where they share none."""
    shared = (number for number, block_hash in theirs.items() if ours.get(number) == block_hash)
    return max(shared, default=None)
