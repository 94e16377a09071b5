"""A process killed at any moment leaves what the next one goes on from."""

import pytest

from scripts.soak.index_kill import soak

pytestmark = pytest.mark.integration


@pytest.mark.timeout(300)
async def test_run__killed_again_and_again__equals_an_index_from_scratch(postgres_url: str) -> None:
    soaked = await soak(postgres_url, kills=10, seed=7)
    assert soaked.kills == 10
    assert soaked.events > 1_000
