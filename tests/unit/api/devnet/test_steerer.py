from pathlib import Path

import pytest

from api.devnet.chain import FINALITY_BLOCKS
from api.devnet.steerer import ChainCallFailed, ChainControl, Steerer, check_pace, replace
from indexer.clock import SimulatedClock
from indexer.errors import ConfigError


class FakeChain(ChainControl):
    def __init__(self, latest_s: int, *, anvil: bool = True) -> None:
        self.times = [latest_s]
        self.anvil = anvil

    async def latest_time_s(self) -> int:
        return self.times[-1]

    async def mine(self, time_s: int) -> int:
        assert time_s > self.times[-1], "anvil refuses a block that is not later than the one before it"
        self.times.append(time_s)
        return len(self.times) - 1

    async def call(self, method: str, *params: object) -> object:
        if not self.anvil:
            raise ChainCallFailed(f"{method}: not found")
        return {}


async def test_mine_one__market_time_ahead__takes_market_time() -> None:
    chain = FakeChain(1_000)
    steerer = Steerer(chain, SimulatedClock(0.0, 1_000_000.0, 1e-9), None)
    await steerer.mine_one()
    await steerer.mine_one()
    assert chain.times[1] == 1_000_001 or chain.times[1] == 1_000_000
    assert chain.times[2] == chain.times[1] + 1
    assert list(steerer.mined_at) == [1, 2]


async def test_mine_one__market_time_behind_the_chain__still_goes_up() -> None:
    chain = FakeChain(5_000)
    steerer = Steerer(chain, SimulatedClock(0.0, 0.0, 1e-9), None)
    await steerer.mine_one()
    assert chain.times[-1] == 5_001


class SlowSnapshots(Steerer):
    """Every snapshot takes ten minutes."""

    def __init__(self, chain: FakeChain) -> None:
        super().__init__(chain, SimulatedClock(0.0, 0.0, 1e-9), None)
        self.saved: list[int] = []

    async def save(self) -> float:
        self.saved.append(max(self.mined_at))
        return 600.0


async def test_step__snapshots_take_long__blocks_lost_with_a_killed_chain_are_never_final() -> None:
    steerer = SlowSnapshots(FakeChain(5_000))
    for _ in range(2 * FINALITY_BLOCKS):
        await steerer.step()
        assert max(steerer.mined_at) - steerer.saved[-1] < FINALITY_BLOCKS / 2
    assert len(steerer.saved) < FINALITY_BLOCKS / 2


@pytest.mark.parametrize(("rate", "tick_s"), [(1.0, 1.0), (45.0, 0.25), (900.0, 0.25)])
def test_tick__any_rate__never_asks_for_more_than_a_block_per_market_second(rate: float, tick_s: float) -> None:
    assert Steerer(FakeChain(0), SimulatedClock(0, 0, rate), None).tick_s == tick_s


async def test_check_pace__chain_that_cannot_be_steered__allows_real_time_alone() -> None:
    chain = FakeChain(0, anvil=False)
    assert await check_pace(chain, 1.0) is False
    with pytest.raises(ConfigError, match="900 s"):
        await check_pace(chain, 45.0)
    assert await check_pace(FakeChain(0), 45.0) is True


def test_replace__a_file__has_the_new_content_and_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "chain"
    replace(target, b"old")
    replace(target, b"new")
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]
