"""What is told to its owner alone, and the ledger as it happens."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from api.client import Client
from contracts.abi import ARTIFACTS, artifact
from contracts.typed_data import address_of
from indexer import facts
from indexer.db import Connection, connect
from indexer.manifest import Contract, Manifest
from tests.integration.api.conftest import ALICE_KEY, BOB_KEY, CHAIN_ID, EXCHANGE
from tests.integration.api.test_streams import running, server

__all__ = ["running", "server"]

pytestmark = pytest.mark.integration

ALICE, BOB = address_of(ALICE_KEY), address_of(BOB_KEY)


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Connection]:
    """With the tables of all events, a block, and a meter of each."""
    connection = await connect(database_url)
    contracts = tuple(Contract(name, bytes([n]) * 20, artifact(name).abi) for n, name in enumerate(ARTIFACTS))
    await facts.ensure(connection, Manifest(chain_id=CHAIN_ID, start_block=0, contracts=contracts))
    await block(connection, 1)
    for meter_id, owner in ((1, ALICE), (2, BOB)):
        await connection.execute(
            "insert into telemetry.meters (meter_id, owner, kind, zone, driver, device, address, key, fuse_w) "
            "values ($1, $2, 'home', 1, 'http', 'push', '-', $2, 20000)",
            meter_id,
            owner,
        )
    yield connection
    await connection.close()


async def block(db: Connection, number: int) -> None:
    """A block; the index stands at it."""
    await db.execute(
        'insert into blockchain.blocks (chain_id, number, hash, parent_hash, "timestamp") '
        "values ($1, $2, $3, $3, now())",
        CHAIN_ID,
        number,
        number.to_bytes(32, "big"),
    )
    await db.execute(
        "insert into blockchain.cursors (chain_id, block_number, block_hash) values ($1, $2, $3) "
        "on conflict (chain_id, stream) do update set block_number = excluded.block_number",
        CHAIN_ID,
        number,
        number.to_bytes(32, "big"),
    )


async def reading(db: Connection, meter_id: int, counter: int) -> None:
    await db.execute(
        "insert into telemetry.latest values ($1, to_timestamp($2), $2, $2, 0, 700) "
        'on conflict (meter_id) do update set "time" = excluded."time", counter = excluded.counter, '
        "import_wh = excluded.import_wh",
        meter_id,
        counter,
    )


@asynccontextmanager
async def listening(server: str, key: bytes | None, *channels: str) -> AsyncIterator[ClientConnection]:
    """A socket that has subscribed; its session where there is a key."""
    headers = {}
    if key is not None:
        async with Client(f"http://{server}", key) as client:
            headers["Authorization"] = f"Bearer {(await client.sign_in()).session_token}"
    async with (
        asyncio.timeout(120),
        websockets.connect(f"ws://{server}/v1/ws", additional_headers=headers, open_timeout=60) as ws,
    ):
        assert json.loads(await ws.recv())["type"] == "hello"
        await ws.send(json.dumps({"type": "subscribe", "channels": channels}))
        yield ws


async def told(ws: ClientConnection, kind: str) -> dict[str, Any]:
    while True:
        message: dict[str, Any] = json.loads(await ws.recv())
        if message["type"] == kind and message["data"]:
            return message


async def test_balances__of_the_listener__come_as_they_change(server: str, db: Connection) -> None:
    async with listening(server, ALICE_KEY, "balances") as ws:
        first = await told(ws, "snapshot")
        await db.execute(
            "insert into blockchain.account_balances (chain_id, account, cash, updated_block) "
            "values ($1, $2, 5, 1), ($1, $3, 77, 1)",
            CHAIN_ID,
            ALICE,
            BOB,
        )
        then = await told(ws, "delta")
    assert (first["data"]["cash"], then["data"]["cash"], then["seq"]) == ("0", "5", first["seq"] + 1)


async def test_telemetry__of_two_owners__each_hears_of_his_own_meters(server: str, db: Connection) -> None:
    await reading(db, 1, 1)
    await reading(db, 2, 1)
    async with listening(server, ALICE_KEY, "telemetry") as ws:
        first = await told(ws, "snapshot")
        await reading(db, 2, 2)
        await reading(db, 1, 3)
        then = await told(ws, "delta")
    assert (first["data"].keys(), then["data"].keys()) == ({"1"}, {"1"})
    assert then["data"]["1"]["import_wh"] == "3"


async def test_fills__of_a_trade__are_told_to_its_party(server: str, db: Connection) -> None:
    async with listening(server, ALICE_KEY, "fills") as ws:
        first = await told(ws, "snapshot")
        for n, trader in enumerate((ALICE, BOB)):
            await db.execute(
                "insert into trading.orders (digest, sequence, trader, side, zone, delivery_start, energy_wh, "
                "limit_price_per_kwh, time_in_force, source, expiry, lane, nonce, signature, received_at) "
                "values ($1, $2, $3, $4, 1, to_timestamp(900), 100, 5, 0, 0, 1, 0, 1, $5, now())",
                bytes([n]) * 32, n, trader, ("buy", "sell")[n], bytes(65),
            )  # fmt: skip
        await db.execute(
            "insert into trading.auctions (zone, delivery_start, slot_s, gate_closed_at, grid_fee_per_kwh, "
            "order_count, matched_wh, book, book_hash, result_hash, area, sold_wh) "
            "values (1, to_timestamp(900), 900, now(), 0, 2, 100, '', $1, $1, 1, 100)",
            bytes(32),
        )
        await db.execute(
            "insert into trading.trades (auction_id, trade_number, zone, delivery_start, buy_order, sell_order, "
            "buyer, seller, energy_wh, price_per_kwh, executed_at, fee_per_kwh, sell_zone) "
            "select auction_id, 0, 1, to_timestamp(900), $1, $2, $3, $4, 100, 5, now(), 0, 1 from trading.auctions",
            bytes(32), b"\x01" * 32, ALICE, BOB,
        )  # fmt: skip
        then = await told(ws, "delta")
    assert first["data"] == {"trades": []}
    assert [(fill["side"], fill["energy_wh"]) for fill in then["data"]["trades"]] == [("buy", "100")]


async def test_ledger__blocks_and_a_reorganisation__are_told_in_order(server: str, db: Connection) -> None:
    async with listening(server, None, "ledger") as ws:
        assert json.loads(await ws.recv())["type"] == "snapshot"
        await asyncio.sleep(2.5)  # from where the follower first looked
        await db.execute(
            "insert into blockchain.fact_settlement_exchange_deposited (chain_id, block_number, log_index, "
            "transaction_hash, block_time, emitter, account, cash, energy_wh) "
            "values ($1, 2, 0, $2, now(), $3, $4, 5, 0)",
            CHAIN_ID, bytes(32), EXCHANGE, ALICE,
        )  # fmt: skip
        await block(db, 2)
        delta = await told(ws, "delta")
        await db.execute("update blockchain.cursors set reorg_epoch = reorg_epoch + 1, block_number = 1")
        reorg = await told(ws, "reorg")
    assert (delta["data"]["block_number"], delta["data"]["events"][0]["arguments"]["cash"]) == (2, "5")
    assert (reorg["data"]["reorg_epoch"], reorg["seq"]) == (1, delta["seq"] + 1)


async def test_own_channel__session_ends__the_socket_is_closed(server: str, db: Connection) -> None:
    async with listening(server, ALICE_KEY, "balances") as ws:
        await told(ws, "snapshot")
        await db.execute("update identity.sessions set revoked_at = now()")
        with pytest.raises(websockets.ConnectionClosed):
            while True:
                await ws.recv()
    assert ws.close_code == 4401


async def test_own_channel__of_nobody_or_with_our_cookie_on_another_page__is_refused(
    server: str, db: Connection
) -> None:
    async with listening(server, None, "balances") as ws:
        with pytest.raises(websockets.ConnectionClosed):
            await ws.recv()
    assert ws.close_code == 4000
    async with Client(f"http://{server}", ALICE_KEY) as client:
        token = (await client.sign_in()).session_token
    headers = {"Cookie": f"sid={token}", "Origin": "http://evil.test"}
    async with (
        asyncio.timeout(120),
        websockets.connect(f"ws://{server}/v1/ws", additional_headers=headers, open_timeout=60) as ws,
    ):
        with pytest.raises(websockets.ConnectionClosed):
            await ws.recv()
    assert ws.close_code == 4401
    async with httpx.AsyncClient(base_url=f"http://{server}") as http:
        assert (await http.get("/v1/stream?channels=fills")).json()["code"] == "unknown-channel"
