"""The services that the other integration tests stand on."""

from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("time", [1, 2])
async def test_database_url__each_test__is_new_and_migrated(database_url: str, time: int) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        assert await connection.fetchval("select count(*) from trading.orders") == 0
        await connection.execute("create table mark (x int)")
    finally:
        await connection.close()


@pytest.mark.parametrize("time", [1, 2])
async def test_redis_url__each_test__is_empty(redis_url: str, time: int) -> None:
    async with Redis.from_url(redis_url) as client:
        assert await client.dbsize() == 0
        await client.set("mark", "1")


def test_anvil__a_transaction__is_mined_at_once(anvil: Any) -> None:
    sender = anvil.rpc("eth_accounts")[0]
    anvil.rpc("eth_sendTransaction", [{"from": sender, "to": sender, "value": "0x1"}])
    assert anvil.rpc("eth_blockNumber") == "0x1"
    assert int(anvil.rpc("eth_chainId"), 16) == anvil.chain_id


async def test_broker_url__a_message__arrives(broker_url: str) -> None:
    import aiomqtt

    host, port = broker_url.removeprefix("mqtt://").split(":")
    async with aiomqtt.Client(host, int(port)) as client:
        await client.subscribe("meters/#")
        await client.publish("meters/1", b"42", qos=1)
        message = await anext(aiter(client.messages))
        assert message.payload == b"42"
