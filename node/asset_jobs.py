"""What happens to assets without anybody asking: what the chain decided, production, clearances that end, papers."""

import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Protocol
from uuid import UUID

from indexer.clock import Clock
from indexer.db import Pool, transaction
from node import kyc
from node.assets import investing, news, production, registry, revenue, sweeping
from node.audit import assets as audit
from node.bus import Publisher
from node.cache import Cache
from node.config import NodeConfig
from node.documents.blocks import FolderBlocks
from node.outbox import Rpc
from node.participants import ChainContext
from node.scheduler import Job

logger = logging.getLogger(__name__)

FOLLOW_TICK_S: Final = 1.0
PRODUCTION_TICK_S: Final = 5.0
CLEARANCE_TICK_S: Final = 10.0
SWEEP_TICK_S: Final = 21_600.0


class Node(Protocol):
    """What these jobs need of the node."""

    @property
    def config(self) -> NodeConfig: ...
    @property
    def pool(self) -> Pool: ...
    @property
    def bus(self) -> Publisher: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def chain(self) -> ChainContext: ...
    @property
    def rpc(self) -> Rpc: ...
    @property
    def cache(self) -> Cache: ...


def jobs(node: Node) -> Sequence[Job]:
    """All of them."""
    return (
        Job("follow_assets", FOLLOW_TICK_S, lambda: follow_assets(node)),
        Job("take_production", PRODUCTION_TICK_S, lambda: take_production(node)),
        Job("audit_assets", PRODUCTION_TICK_S, lambda: audit_assets(node)),
        Job("expire_clearances", CLEARANCE_TICK_S, lambda: expire_clearances(node)),
        Job("sweep_papers", SWEEP_TICK_S, lambda: sweep_papers(node)),
    )


async def audit_assets(node: Node) -> None:
    """Recomputes the revenue of every asset of which something happened since it was last looked at."""
    async with node.pool.acquire() as db, db.transaction(isolation="repeatable_read"):
        await audit.check_due(db, node.rpc, node.chain.chain_id)


async def expire_clearances(node: Node) -> None:
    """Ends clearances whose time is over, and tells whose they were."""
    users: set[UUID] = set()
    async with transaction(node.pool) as db:
        for account in await kyc.expire(db, node.clock.now()):
            users |= await news.told(db, account, "clearance", status="expired")
    for user_id in users:
        await node.bus.publish("notifications", {"user_id": str(user_id)})


async def sweep_papers(node: Node) -> None:
    """Frees the folder of papers of what failed uploads left."""
    config = node.config
    if config.documents_dir is None:
        return
    async with node.pool.acquire() as db:
        removed = await sweeping.sweep(
            db, FolderBlocks(config.documents_dir), time.time(), private_only=config.ipfs_api_url is not None
        )
    logger.info("papers swept: %d blocks removed", removed)


async def follow_assets(node: Node) -> None:
    """Brings assets and distributions to where the mirrored chain has them."""
    if "AssetFactory" not in node.chain.deployment.addresses:
        return
    async with transaction(node.pool) as db:
        chain_id = node.chain.chain_id
        changed = await registry.follow(db, chain_id) | await revenue.follow(db, chain_id)
        changed |= await investing.follow(db, chain_id)
    if changed.assets:
        async with node.pool.acquire() as db:
            await node.cache.refresh(db, chain_id, changed.assets, changed.users)
    async with node.pool.acquire() as db:
        await node.cache.follow(db, chain_id, datetime.now(UTC))
    for asset_id in changed.assets:
        await node.bus.publish("assets", {"asset_id": str(asset_id)})
    for user_id in changed.users:
        await node.bus.publish("notifications", {"user_id": str(user_id)})


async def take_production(node: Node) -> None:
    """Writes down what plants produce."""
    async with transaction(node.pool) as db:
        await production.keep_ahead(db, node.clock.now())
        taken = await production.take_readings(db, node.clock.now())
    if taken:
        async with node.pool.acquire() as db:
            await node.cache.refresh(db, node.chain.chain_id, taken)
