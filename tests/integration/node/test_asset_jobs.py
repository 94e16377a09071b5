"""What the node does for assets by itself: clearances that end, papers that nobody names, an audit of nothing."""

import os
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from indexer.db import Pool, open_pool
from node import asset_jobs
from node.assets import papers
from node.assets.sweeping import GRACE_S
from node.documents.blocks import FolderBlocks

pytestmark = pytest.mark.integration

NOW = datetime(2025, 6, 17, 12, tzinfo=UTC)
ANNA, BEN = b"\x0a" * 20, b"\x0b" * 20


def aged(folder: Path, time_s: float) -> list[Path]:
    """All files, which look as if they had been written then."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    for path in files:
        os.utime(path, (time_s, time_s))
    return files


class Told:
    """A bus that remembers."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, Any]]] = []

    async def publish(self, channel: str, message: dict[str, Any]) -> None:
        self.said.append((channel, message))


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(database_url, size=2) as opened:
        yield opened


def node_of(pool: Pool, folder: Path | None = None) -> Any:
    return SimpleNamespace(
        pool=pool,
        bus=Told(),
        clock=SimpleNamespace(now=lambda: NOW),
        config=SimpleNamespace(documents_dir=folder, ipfs_api_url=None),
        chain=SimpleNamespace(chain_id=31_337),
        rpc=None,
    )


async def test_expire_clearances__time_is_over__ends_and_tells_him_once(pool: Pool) -> None:
    users = {}
    async with pool.acquire() as db:
        for account, until in ((ANNA, NOW - timedelta(seconds=1)), (BEN, NOW + timedelta(seconds=1))):
            users[account] = await db.fetchval(
                "with u as (insert into identity.users (wallet, kyc_status) values ($1, 'approved') returning id)"
                " insert into identity.user_profiles (user_id, cleared_until) select id, $2 from u returning user_id",
                account,
                until,
            )
    node = node_of(pool)
    for _ in range(2):
        await asset_jobs.expire_clearances(node)
    assert node.bus.said == [("notifications", {"user_id": str(users[ANNA])})]
    async with pool.acquire() as db:
        rows = await db.fetch("select wallet, kyc_status from identity.users")
        told = await db.fetch("select user_id, kind, detail from identity.notifications")
    assert {row["wallet"]: row["kyc_status"] for row in rows} == {ANNA: "expired", BEN: "approved"}
    assert [(row["user_id"], row["kind"], row["detail"]) for row in told] == [
        (users[ANNA], "clearance", {"status": "expired"})
    ]


async def test_sweep_papers__failed_upload__goes(pool: Pool, tmp_path: Path) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"an upload that failed"

    await papers.store(FolderBlocks(tmp_path), pieces())
    old_s = time.time() - GRACE_S - 60
    blocks = aged(tmp_path, old_s)
    await asset_jobs.sweep_papers(node_of(pool, tmp_path))
    assert blocks
    assert not any(path.exists() for path in blocks)
    await asset_jobs.sweep_papers(node_of(pool))


async def test_audit_assets__nothing_mirrored_yet__finds_nothing(pool: Pool) -> None:
    await asset_jobs.audit_assets(node_of(pool))
    async with pool.acquire() as db:
        assert await db.fetchval("select count(*) from audit.asset_checks") == 0
