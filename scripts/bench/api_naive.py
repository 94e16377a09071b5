"""What one gets without thinking: FastAPI over asyncpg, rows as they are; and PostgREST's way, JSON from PostgreSQL.

Serves the same blocks as ``GET /v1/ledger/blocks``: ``python -m scripts.bench.api_naive PORT`` with DATABASE_URL.
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import uvicorn
from fastapi import FastAPI, Response

from indexer.db import queries

SQL = queries("scripts.bench.api")
CHAIN_ID = 31_337


def application(database_url: str) -> FastAPI:
    """Two routes over the same rows."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(database_url, min_size=1, max_size=20) as pool:
            app.state.pool = pool
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/rows")
    async def rows(limit: int = 100) -> list[dict[str, Any]]:
        async with app.state.pool.acquire() as db:
            found = await db.fetch(SQL["rows"], CHAIN_ID, limit)
        return [
            {name: "0x" + value.hex() if isinstance(value, bytes) else value for name, value in row.items()}
            for row in found
        ]

    @app.get("/json")
    async def as_json(limit: int = 100) -> Response:
        async with app.state.pool.acquire() as db:
            return Response(await db.fetchval(SQL["naive"], CHAIN_ID, limit), media_type="application/json")

    return app


if __name__ == "__main__":
    uvicorn.run(
        application(os.environ["DATABASE_URL"]), host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop",
        http="httptools", log_config=None, access_log=False,
    )  # fmt: skip
