"""Several chains in one process: one that fails does not hold up the others."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from indexer import chains
from indexer.chains import ChainToIndex
from indexer.clock import SimulatedClock
from indexer.config import IndexerConfig
from indexer.errors import WrongChain
from indexer.manifest import Manifest


def chain(number: int) -> ChainToIndex:
    config = IndexerConfig("postgresql://x", ("http://x",), number, Path(), SimulatedClock(), 1.0)
    return ChainToIndex(config, Manifest(number, 0, ()))


async def test_run__one_chain_fails__is_tried_again_while_the_other_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: dict[int, int] = {5: 0, 6: 0}
    enough = asyncio.Event()

    async def mirror(config: IndexerConfig, manifest: Manifest, *_: Any, **__: Any) -> None:
        tries[manifest.chain_id] += 1
        if manifest.chain_id == 5:
            if tries[5] == 3:
                enough.set()
            raise WrongChain if tries[5] == 1 else RuntimeError("strange")
        await asyncio.Event().wait()

    monkeypatch.setattr(chains.app, "mirror", mirror)
    monkeypatch.setattr(chains, "RETRY_FIRST_S", 0.001)
    task = asyncio.create_task(chains.run([chain(5), chain(6)]))
    async with asyncio.timeout(5):
        await enough.wait()
    assert not task.done()
    assert tries == {5: 3, 6: 1}
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_run__only_chain_fails__ends_with_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def mirror(*_: Any, **__: Any) -> None:
        raise WrongChain

    monkeypatch.setattr(chains.app, "mirror", mirror)
    with pytest.raises(ExceptionGroup) as caught:
        await chains.run([chain(5)])
    assert [type(error) for error in caught.value.exceptions] == [WrongChain]
