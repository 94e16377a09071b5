"""Sums in columns are the sums."""

from collections import defaultdict
from decimal import Decimal, localcontext

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.decode import Rows
from indexer.movements import net_transfers
from tests.property.indexer.test_columns import read_numeric
from tests.unit.indexer.logs import event

TRANSFER = event("Transfer", ("address", "from", True), ("address", "to", True), ("uint256", "value", False))
ACCOUNTS = st.sampled_from([bytes(20), *(bytes([n]) * 20 for n in range(1, 6)), bytes(19) + b"\1", b"\1" + bytes(19)])
TOKENS = st.sampled_from([b"\x70" * 20, b"\x71" * 20])
SMALL = st.integers(0, 2**40)
LARGE = st.one_of(SMALL, st.integers(2**60, 2**64), st.integers(0, 2**224 - 1))


def rows_of(moves: list[tuple[bytes, bytes, bytes, int]]) -> Rows:
    def addresses(values: list[bytes]) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
        return np.frombuffer(b"".join(values), dtype=np.uint8).reshape(len(values), 20)

    count = len(moves)
    words = np.frombuffer(b"".join(move[3].to_bytes(32, "big") for move in moves), dtype=np.uint8).reshape(count, 32)
    columns = (addresses([move[1] for move in moves]), addresses([move[2] for move in moves]), words)
    number = np.arange(count, dtype=np.int64) + 5
    hashes = np.zeros((count, 32), dtype=np.uint8)
    return Rows(TRANSFER, number, number, hashes, addresses([move[0] for move in moves]), columns)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(TOKENS, ACCOUNTS, ACCOUNTS, LARGE), min_size=1, max_size=60))
def test_net_transfers__any_moves__are_summed_by_account(moves: list[tuple[bytes, bytes, bytes, int]]) -> None:
    sums: dict[tuple[bytes, bytes], int] = defaultdict(int)
    last: dict[tuple[bytes, bytes], int] = {}
    for block, (token, sender, recipient, value) in enumerate(moves, 5):
        for account, amount in ((sender, -value), (recipient, value)):
            if any(account):
                sums[token, account] += amount
                last[token, account] = block
    found = net_transfers([rows_of(moves)])
    assert found is not None
    token, account, amount, block_number = found
    with localcontext() as context:
        context.prec = 120
        seen = {
            (bytes(t[4:]), bytes(a[4:])): (read_numeric(bytes(v)), int.from_bytes(bytes(b[4:]), "big"))
            for t, a, v, b in zip(token, account, amount, block_number, strict=True)
        }
        assert seen == {key: (Decimal(sums[key]), last[key]) for key in sums}


def test_net_transfers__values_that_could_overflow__are_left_to_sql() -> None:
    moves = [(b"\x70" * 20, bytes([1]) * 20, bytes([2]) * 20, 2**255)]
    assert net_transfers([rows_of(moves)]) is None


def test_net_transfers__nothing__is_nothing() -> None:
    assert net_transfers([]) == []
