"""The services that the other integration tests stand on."""

import asyncio
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

from node.metering.mqtt import client

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
    async with client(broker_url, "reader", is_persistent=False) as reader:
        await reader.subscribe("meters/#")
        await reader.publish("meters/1", b"42", qos=1)
        message = await anext(aiter(reader.messages))
        assert message.payload == b"42"


async def test_broker_url__subscriber_away__finds_what_was_published_meanwhile(broker_url: str) -> None:
    async with client(broker_url, "sleeper", is_persistent=True) as sleeper:
        await sleeper.subscribe("kept/#", qos=1)
    async with client(broker_url, "speaker", is_persistent=False) as speaker:
        await speaker.publish("kept/1", b"43", qos=1)
    async with client(broker_url, "sleeper", is_persistent=True) as sleeper, asyncio.timeout(5):
        message = await anext(aiter(sleeper.messages))
    assert message.payload == b"43"
