"""A process that takes readings in by MQTT, to be killed at any moment; settings as the node's."""

import asyncio
import os
from typing import Any

from indexer.clock import SimulatedClock
from indexer.db import open_pool
from node.config import NodeConfig
from node.metering import collector


class Nobody:
    async def publish(self, channel: str, message: dict[str, Any]) -> None:
        pass


async def main() -> None:
    config = NodeConfig.from_environment(os.environ)
    async with open_pool(config.indexer.database_url, size=3) as pool:
        await collector.run(pool, config, Nobody(), SimulatedClock())


if __name__ == "__main__":
    asyncio.run(main())
