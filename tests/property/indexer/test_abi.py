"""The indexer and eth-abi read the same out of random events. Longer: ``python -m tests.property.indexer.abi_fuzz``."""

import pytest

from tests.property.indexer.abi_fuzz import run


@pytest.mark.parametrize("seed", [1, 2])
def test_decode__random_events__agree_with_eth_abi(seed: int) -> None:
    count = run(seed, 10_000)
    assert count.read_by_both > 100
    assert count.refused_by_both > 100
