"""Papers of an asset in their stores: what is shared, what stays here, how much there may be, what is swept."""

import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from indexer.db import Connection, connect
from node.assets import papers, registry, sweeping
from node.assets.papers import PapersFull, Shelves
from node.assets.registry import NewAsset
from node.documents import files
from node.documents.blocks import BlockMissing, FolderBlocks
from node.documents.cid import Cid
from node.documents.kubo import KuboBlocks, KuboUnreachable
from tests.integration.node.documents.test_kubo import Kubo

pytestmark = pytest.mark.integration

OWNER = b"\x11" * 20
PLANT = NewAsset(OWNER, "sun-hill", "Sun Hill", "SUN", 1_000, "solar", Decimal("99.5"), None, None)


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Connection]:
    connection = await connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def asset_id(db: Connection) -> UUID:
    return await registry.register(db, PLANT)


async def put(db: Connection, shelves: Shelves, asset_id: UUID, path: str, data: bytes) -> Cid:
    folder, name = path.split("/")
    file = await papers.store(shelves.of(folder), pieces(data))
    async with db.transaction():
        await papers.attach(db, asset_id, folder, name, file, OWNER)
        await papers.publish(shelves, await papers.papers(db, asset_id))
    return file.cid


async def test_papers__kubo__shares_none_of_the_legal_ones(db: Connection, asset_id: UUID, tmp_path: Path) -> None:
    kubo = Kubo()
    shared = KuboBlocks("http://127.0.0.1:5001", transport=httpx.MockTransport(kubo))
    shelves = Shelves(shared, FolderBlocks(tmp_path))
    deed = await put(db, shelves, asset_id, "legal/deed.txt", b"the deed")
    plan = await put(db, shelves, asset_id, "technical/plan.txt", b"the plan")
    every = await papers.papers(db, asset_id)
    root, made = papers.tree(every)
    legal, _, technical = (cid for cid, _ in made[:3])
    assert deed.digest not in kubo.blocks and legal.digest not in kubo.blocks
    assert not any(deed.digest in block for block in kubo.blocks.values())
    assert kubo.blocks[plan.digest] == b"the plan"
    # The root commits to the legal folder all the same, and is kept without it.
    assert legal.digest in kubo.blocks[root.cid.digest]
    assert (kubo.pins[str(root.cid)], kubo.pins[str(technical)]) == ("false", "true")
    assert await papers.check(shelves, next(paper for paper in every if paper.document_type == "legal")) == []
    await shelves.close()


async def test_papers__publishing_fails__leaves_no_row(db: Connection, asset_id: UUID, tmp_path: Path) -> None:
    kubo = Kubo()
    shelves = Shelves(KuboBlocks("http://127.0.0.1:5001", transport=httpx.MockTransport(kubo)), FolderBlocks(tmp_path))
    file = await papers.store(shelves.private, pieces(b"the deed"))
    kubo.dead = True
    with pytest.raises(KuboUnreachable):
        async with db.transaction():
            await papers.attach(db, asset_id, "legal", "deed.txt", file, OWNER)
            await papers.publish(shelves, await papers.papers(db, asset_id))
    assert await papers.papers(db, asset_id) == []


async def test_papers__two_gibibytes__are_the_most(db: Connection, asset_id: UUID, tmp_path: Path) -> None:
    shelves = Shelves(FolderBlocks(tmp_path), FolderBlocks(tmp_path))
    await put(db, shelves, asset_id, "media/film.txt", b"one")
    await put(db, shelves, asset_id, "media/film.txt", b"two")
    almost = papers.MAX_ASSET_BYTES - 3 * papers.ENTRY_BYTES
    await db.execute(
        "update assets.asset_documents set size_bytes = $1, total_bytes = $1 where replaced_at is not null", almost - 10
    )
    assert await papers.room(db, asset_id, "media", "other.txt") == 7
    await put(db, shelves, asset_id, "media/other.txt", b"7 bytes")
    with pytest.raises(PapersFull):
        await papers.room(db, asset_id, "media", "other.txt")
    with pytest.raises(PapersFull):
        await put(db, shelves, asset_id, "media/more.txt", b"x")


async def test_papers__two_hundred_in_a_folder__are_the_most(db: Connection, asset_id: UUID, tmp_path: Path) -> None:
    shelves = Shelves(FolderBlocks(tmp_path), FolderBlocks(tmp_path))
    file = await papers.store(shelves.public, pieces(b"same"))
    for number in range(papers.MAX_PAPERS):
        await papers.attach(db, asset_id, "media", f"{number}.txt", file, OWNER)
    with pytest.raises(PapersFull):
        await papers.attach(db, asset_id, "media", "one-more.txt", file, OWNER)
    await put(db, shelves, asset_id, "media/7.txt", b"in place of the seventh")
    await put(db, shelves, asset_id, "technical/0.txt", b"another folder")


async def test_sweep__failed_upload__goes_and_every_paper_stays(db: Connection, asset_id: UUID, tmp_path: Path) -> None:
    blocks = FolderBlocks(tmp_path)
    shelves, long = Shelves(blocks, blocks), bytes(range(256)) * 4_000
    former = await put(db, shelves, asset_id, "legal/deed.txt", long)
    former_root, _ = papers.tree(await papers.papers(db, asset_id))
    await put(db, shelves, asset_id, "legal/deed.txt", b"the new deed")
    await put(db, shelves, asset_id, "media/note.txt", b"a note")
    failed = await papers.store(blocks, pieces(b"never attached"))
    later_s = time.time() + sweeping.GRACE_S + 60
    assert await sweeping.sweep(db, blocks, time.time(), private_only=False) == 0  # it may be under way
    assert await sweeping.sweep(db, blocks, later_s, private_only=False) == 1
    assert b"".join([part async for part in files.read(blocks, former)]) == long
    assert await blocks.get(former_root.cid)
    with pytest.raises(BlockMissing):
        await blocks.get(failed.cid)


async def test_sweep__damaged_paper__removes_nothing(db: Connection, asset_id: UUID, tmp_path: Path) -> None:
    blocks = FolderBlocks(tmp_path)
    deed = await put(db, Shelves(blocks, blocks), asset_id, "legal/deed.txt", b"the deed")
    failed = await papers.store(blocks, pieces(b"never attached"))
    (tmp_path / deed.digest.hex()[:2] / deed.digest.hex()).unlink()
    with pytest.raises(sweeping.PapersDamaged, match=r"legal/deed\.txt"):
        await sweeping.sweep(db, blocks, time.time() + 2 * sweeping.GRACE_S, private_only=False)
    assert await blocks.get(failed.cid) == b"never attached"


async def test_publish__directory_larger_than_a_block__is_refused(
    db: Connection, asset_id: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelves = Shelves(FolderBlocks(tmp_path), FolderBlocks(tmp_path))
    monkeypatch.setattr(papers, "MAX_BLOCK_BYTES", 180)
    await put(db, shelves, asset_id, "media/a.txt", b"a")
    with pytest.raises(papers.PaperRefused, match="directory"):
        await put(db, shelves, asset_id, f"media/{'b' * 96}.txt", b"b")
