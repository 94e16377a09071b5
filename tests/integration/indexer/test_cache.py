"""The cache gives back what was final, or nothing; and never makes the mirror wrong."""

import os
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from random import Random

import pytest

from indexer import cache as caching
from indexer import db as database
from indexer import facts
from indexer.block import Block
from indexer.cache import Cache, CachedChain
from indexer.db import Connection
from indexer.logs import Segment
from indexer.manifest import Manifest
from indexer.sync import Sync
from indexer.watch import Watch
from tests.integration.indexer.fake_chain import FINAL_DEPTH, FakeChain, shipped_manifest
from tests.integration.indexer.test_reorgs import catch_up, dump, empty

pytestmark = pytest.mark.integration

HEIGHT = 300
MOST = 10_000_000


class CountingChain(FakeChain):
    """Knows which blocks were fetched."""

    def __init__(self, random: Random, manifest: Manifest) -> None:
        super().__init__(random, manifest)
        self.fetched: list[int] = []
        self.asked = 0

    async def history(self, first: int, last: int, watch: Watch) -> AsyncGenerator[Segment, None]:
        async for segment in super().history(first, last, watch):
            self.fetched += [block.number for block in segment.blocks]
            yield segment

    async def headers(self, numbers: Sequence[int]) -> list[Block]:
        self.asked += len(numbers)
        return await super().headers(numbers)


@pytest.fixture
async def db(database_url: str) -> AsyncGenerator[Connection, None]:
    connection = await database.connect(database_url)
    async with connection.transaction():
        await facts.ensure(connection, shipped_manifest())
    yield connection
    await connection.close()


@pytest.fixture
def chain(monkeypatch: pytest.MonkeyPatch) -> CountingChain:
    monkeypatch.setattr(caching, "FILE_BLOCKS", 40)
    chain = CountingChain(Random(3), shipped_manifest())
    chain.mine(HEIGHT)
    return chain


async def indexed(db: Connection, chain: FakeChain, folder: Path, most_bytes: int = MOST) -> dict[str, list[object]]:
    """The whole schema after indexing from scratch."""
    await empty(db)
    await catch_up(Sync(db, CachedChain(chain, Cache(folder, most_bytes), 7), shipped_manifest()))
    return await dump(db)


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.seg"))


async def test_history__indexed_again__asks_for_one_header_and_what_is_not_final(
    db: Connection, chain: CountingChain, tmp_path: Path
) -> None:
    first = await indexed(db, chain, tmp_path)
    assert all(int(path.stem.partition("-")[2]) <= HEIGHT - FINAL_DEPTH for path in files(tmp_path))
    cached = int(files(tmp_path)[-1].stem.partition("-")[2])
    chain.fetched, chain.asked = [], 0
    assert await indexed(db, chain, tmp_path) == first
    assert chain.fetched == list(range(cached + 1, HEIGHT + 1))
    assert chain.asked <= 2, "one header to agree on, one to start from"


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "foreign", "missing"])
async def test_history__file_damaged__is_fetched_and_named(
    db: Connection, chain: CountingChain, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = await indexed(db, chain, tmp_path)
    path = files(tmp_path)[2]
    content = path.read_bytes()
    match damage:
        case "flipped":
            path.write_bytes(content[:-200] + bytes([content[-200] ^ 1]) + content[-199:])
        case "cut":
            path.write_bytes(content[: len(content) // 2])
        case "empty":
            path.write_bytes(b"")
        case "foreign":
            path.write_bytes(b"something else altogether, and long enough to be anything at all, so it may be read")
        case _:
            path.unlink()
    chain.fetched = []
    assert await indexed(db, chain, tmp_path) == first
    assert 90 in chain.fetched
    assert damage == "missing" or any(path.name in record.getMessage() for record in caplog.records)


async def test_history__chain_replaced__is_not_served_from_the_cache(
    db: Connection, chain: CountingChain, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await indexed(db, chain, tmp_path)
    other = CountingChain(Random(4), shipped_manifest())
    other.mine(HEIGHT)
    state = await indexed(db, other, tmp_path)
    assert len(other.fetched) == HEIGHT - 2
    assert "the chain has another block" in caplog.text
    assert state == await indexed(db, other, tmp_path / "elsewhere")


async def test_write__folder_full__forgets_what_was_not_used_longest(
    db: Connection, chain: CountingChain, tmp_path: Path
) -> None:
    first = await indexed(db, chain, tmp_path)
    whole = sum(path.stat().st_size for path in files(tmp_path))
    for age, path in enumerate(files(tmp_path)):
        os.utime(path, (age, age))
    small = tmp_path / "small"
    assert await indexed(db, chain, small, whole // 2) == first
    assert sum(path.stat().st_size for path in files(small)) <= whole // 2
    assert not list(small.glob("*/*.tmp"))


async def test_write__folder_read_only__costs_only_the_cache(
    db: Connection, chain: CountingChain, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    state = await indexed(db, chain, blocked)
    assert "cache file not written" in caplog.text
    assert state == await indexed(db, chain, tmp_path / "other")


async def test_fingerprint__another_filter__has_other_files(
    db: Connection, chain: CountingChain, tmp_path: Path
) -> None:
    await indexed(db, chain, tmp_path)
    manifest = shipped_manifest()
    fewer = Manifest(manifest.chain_id, manifest.start_block, manifest.contracts[:-1])
    assert Watch(fewer).fingerprint() != Watch(manifest).fingerprint() == Watch(shipped_manifest()).fingerprint()
