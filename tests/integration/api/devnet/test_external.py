"""Services that the environment names: what is wrong with one is told before anything is started."""

from pathlib import Path
from typing import Any

import asyncpg
import pytest

from api.devnet import external
from api.devnet.external import CacheUnreachable, check, check_resumed
from api.devnet.settings import Folder
from contracts.abi import CONTRACTS
from contracts.addresses import Deployment
from indexer.errors import ConfigError, GridtraceError, WrongChain
from tests.integration.conftest import database_of, execute

pytestmark = pytest.mark.integration

NOBODY = "127.0.0.1:1"
DEPLOYED = Deployment(31_337, 1, {name: bytes(19) + bytes([number + 1]) for number, name in enumerate(CONTRACTS)})


async def refusals(services: dict[str, str], known: Deployment | None = None, **variables: str) -> list[GridtraceError]:
    """What is wrong with the services."""
    try:
        await check(services, variables, known)
    except ExceptionGroup as group:
        return [error for error in group.exceptions if isinstance(error, GridtraceError)]
    return []


async def test_check__nobody_answers__names_every_service_with_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external, "CHECK_S", 3.0)
    found = await refusals(
        {
            "DATABASE_URL": f"postgresql://user:hidden@{NOBODY}/x",
            "REDIS_URL": f"redis://:hidden@{NOBODY}/0",
            "MQTT_URL": f"mqtt://user:hidden@{NOBODY}",
            "RPC_URL": f"http://{NOBODY}",
        }
    )
    codes = [error.code for error in found]
    assert codes == ["database-unreachable", "redis-unreachable", "mqtt-unreachable", "rpc-unavailable"]
    assert all(NOBODY in str(error) and "hidden" not in str(error) and "\n" not in str(error) for error in found)


async def test_check__everything_answers_and_fits__is_silent(
    database_url: str, redis_url: str, broker_url: str, anvil: Any
) -> None:
    named = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "MQTT_URL": broker_url, "RPC_URL": anvil.url}
    assert await refusals(named, GRIDTRACE_CHAIN_ID="31337") == []


async def test_check__another_chain__is_wrong_chain(anvil: Any) -> None:
    (other,) = await refusals({"RPC_URL": anvil.url}, GRIDTRACE_CHAIN_ID="1")
    assert isinstance(other, WrongChain)
    assert "serves chain 31337, GRIDTRACE_CHAIN_ID says 1" in str(other)
    (elsewhere,) = await refusals({"RPC_URL": anvil.url}, Deployment(5, 1, DEPLOYED.addresses))
    assert "this folder's contracts are on chain 5" in str(elsewhere)
    (reset,) = await refusals({"RPC_URL": anvil.url}, DEPLOYED)
    assert "has no contract at" in str(reset)


async def test_check__database_that_holds_something_else__is_unfit(postgres_url: str, database_url: str) -> None:
    db = await asyncpg.connect(database_url)
    await db.execute(
        "insert into blockchain.smart_contracts (chain_id, address, name, start_block) values (1, $1, 'X', 1)",
        b"\x77" * 20,
    )
    await db.close()
    (market,) = await refusals({"DATABASE_URL": database_url}, DEPLOYED)
    assert (market.code, "market of another run" in str(market)) == ("database-unfit", True)
    db = await asyncpg.connect(database_url)
    await db.execute("update public.schema_version set version_num = '9999'")
    await db.close()
    (newer,) = await refusals({"DATABASE_URL": database_url})
    assert "schema revision '9999'" in str(newer)
    await execute(postgres_url, "create database somebodys")
    try:
        theirs = database_of(postgres_url, "somebodys")
        await execute(theirs, "create table customers (x int)")
        (full,) = await refusals({"DATABASE_URL": theirs})
        assert "is not empty: it holds public.customers" in str(full)
    finally:
        await execute(postgres_url, "drop database somebodys with (force)")
    (gone,) = await refusals({"DATABASE_URL": database_of(postgres_url, "gone")})
    assert 'database "gone" does not exist' in str(gone)


async def test_check__redis_that_is_something_else__is_unreachable(anvil: Any) -> None:
    (found,) = await refusals({"REDIS_URL": anvil.url.replace("http", "redis")})
    assert isinstance(found, CacheUnreachable)


def test_check_resumed__other_services_than_before__names_each(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    check_resumed({"RPC_URL": "x"}, folder)
    DEPLOYED.dump(folder.deployment)
    (folder.services / "postgres").mkdir(parents=True)
    (folder.services / "postgres" / "initialised").touch()
    check_resumed({"RPC_URL": "x"}, folder)
    with pytest.raises(ConfigError) as caught:
        check_resumed({"DATABASE_URL": "x"}, folder)
    assert [fault.split()[0] for fault in caught.value.faults] == ["DATABASE_URL", "RPC_URL"]
