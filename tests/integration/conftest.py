"""Real services for integration tests: one server of each per test process, a fresh state of it per test."""

import asyncio
import os
import secrets
import shutil
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest
import redis

from api.devnet import broker, chain
from api.devnet import postgres as postgres_service
from api.devnet import redis as redis_service
from indexer import migrate

T = TypeVar("T")

# Durability is not what these tests are about, except where a test starts a server of its own.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "64MB"}


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine on a thread of its own, beside the test's event loop."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(asyncio.run, coroutine).result()


async def execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def database_of(server_url: str, name: str) -> str:
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Superuser address of the server: DATABASE_URL's, else one of our own."""
    if url := os.environ.get("DATABASE_URL"):
        yield url
        return
    folder = tmp_path_factory.mktemp("postgres")
    server = postgres_service.PostgresServer(folder, folder / "log", settings=FAST)
    server.start()
    yield server.url
    server.stop()
    shutil.rmtree(folder / "data", ignore_errors=True)


@pytest.fixture(scope="session")
def template_database(postgres_url: str) -> Iterator[str]:
    """Name of a database that has the whole schema and that nobody is connected to."""
    name = f"gridtrace_template_{secrets.token_hex(4)}"
    run(execute(postgres_url, f"create database {name}"))
    with ThreadPoolExecutor(1) as executor:
        executor.submit(migrate.upgrade, database_of(postgres_url, name)).result()
    yield name
    run(execute(postgres_url, f"drop database {name} with (force)"))


@pytest.fixture
def database_url(postgres_url: str, template_database: str) -> Iterator[str]:
    """A new migrated database."""
    name = f"gridtrace_test_{secrets.token_hex(6)}"
    run(execute(postgres_url, f"create database {name} template {template_database}"))
    yield database_of(postgres_url, name)
    run(execute(postgres_url, f"drop database {name} with (force)"))


@pytest.fixture(scope="session")
def redis_server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("redis")
    server = redis_service.service(folder, folder / "log", os.environ)
    server.start()
    yield server.url
    server.stop()


@pytest.fixture
def redis_url(redis_server_url: str) -> str:
    """An empty Redis database."""
    with redis.Redis.from_url(redis_server_url) as client:
        client.flushdb()
    return redis_server_url


@pytest.fixture(scope="session")
def broker_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An MQTT broker."""
    server = broker.service(tmp_path_factory.mktemp("broker") / "log", os.environ)
    server.start()
    yield server.url
    server.stop()


class RpcError(Exception):
    """The chain answered a call with an error."""


class AnvilChain:
    """A chain of its own for one test; mines a block for every transaction."""

    chain_id = chain.CHAIN_ID

    def __init__(self, server: chain.Anvil) -> None:
        self.server = server
        self.url = server.url

    def rpc(self, method: str, params: list[Any] | None = None) -> Any:
        """One JSON-RPC call; raises RpcError for an error answer."""
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or []}
        answer = httpx.post(self.url, json=call, timeout=10).json()
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]


@pytest.fixture
def anvil(tmp_path: Path) -> Iterator[AnvilChain]:
    """A fresh anvil."""
    server = chain.Anvil(tmp_path / "anvil.log")
    server.start()
    yield AnvilChain(server)
    server.stop()
