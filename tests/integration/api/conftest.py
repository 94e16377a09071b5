"""The API in this process over real PostgreSQL and Redis, and a small community to ask about."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from api.client import Client
from api.config import ApiConfig
from contracts.abi import ARTIFACTS, artifact
from contracts.addresses import Deployment
from contracts.typed_data import address_of, checksum
from indexer import facts
from indexer.db import connect
from indexer.manifest import Contract, Manifest

BASE_URL = "http://market.test"
CHAIN_ID = 31_337
NOW_S = 1_800_000_000
"""Market time at which every test starts: delivery slots of a quarter of an hour begin at its multiples of 900."""
ZONE = 1

OPERATOR_KEY = bytes(31) + b"\x01"
ALICE_KEY = bytes(31) + b"\x02"
BOB_KEY = bytes(31) + b"\x03"
METER_KEY = bytes(31) + b"\x04"
EXCHANGE = b"\xe0" * 20
TOKEN = b"\xd0" * 20


class SteppedClock:
    """Market time that moves when a test says so."""

    rate = 1.0

    def __init__(self, now_s: float) -> None:
        self.time_s = now_s

    def now_s(self) -> float:
        return self.time_s

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time_s, UTC)

    async def sleep_until(self, time_s: float) -> None:
        self.time_s = max(self.time_s, time_s)


class FreshChain:
    """A chain on which nobody has used a permit yet."""

    async def call(self, method: str, *params: object) -> str:
        assert method == "eth_call"
        return "0x" + bytes(32).hex()

    async def batch(self, calls: object) -> list[object]:
        raise AssertionError("one call at a time")


@dataclass
class Market:
    """The running application and its hands: who calls, the database, the clock."""

    transport: httpx.ASGITransport
    database_url: str
    clock: SteppedClock

    def client(self, key: bytes) -> Client:
        """A participant's client with this key."""
        return Client(BASE_URL, key, transport=self.transport)

    def http(self, token: str | None = None) -> httpx.AsyncClient:
        """Plain HTTP, with a session where a token is given."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.AsyncClient(base_url=BASE_URL, transport=self.transport, headers=headers)

    async def execute(self, sql: str, *arguments: object) -> None:
        """One statement, committed."""
        connection = await connect(self.database_url)
        try:
            await connection.execute(sql, *arguments)
        finally:
            await connection.close()


def api_config(folder: Path, database_url: str, redis_url: str, **changes: str) -> ApiConfig:
    """A configuration as the environment would give it."""
    deployment = Deployment(
        CHAIN_ID,
        1,
        {
            "SettlementExchange": EXCHANGE,
            "PaymentToken": TOKEN,
            "ParticipantRegistry": b"\xb0" * 20,
            "ProductionLedger": b"\xa0" * 20,
        },
    )
    deployment.dump(folder / "deployment.json")
    (folder / "sealing").write_text("5a" * 32)
    variables = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "RPC_URL": "http://127.0.0.1:1",
        "GRIDTRACE_CHAIN_ID": str(CHAIN_ID),
        "GRIDTRACE_DEPLOYMENT": str(folder / "deployment.json"),
        "GRIDTRACE_OPERATOR": checksum(address_of(OPERATOR_KEY)),
        "GRIDTRACE_GRID_ACCOUNT": checksum(b"\x99" * 20),
        "GRIDTRACE_OPERATOR_KEY_FILE": "/nowhere",
        "GRIDTRACE_GATEWAY_KEY_FILE": "/nowhere",
        "GRIDTRACE_READINGS_SALT_FILE": "/nowhere",
        "GRIDTRACE_DOCUMENTS_DIR": str(folder / "documents"),
        "GRIDTRACE_EXPORTS_DIR": str(folder / "exports"),
        "GRIDTRACE_SEALING_KEY_FILE": str(folder / "sealing"),
        "GRIDTRACE_OPERATORS": checksum(address_of(OPERATOR_KEY)),
        "GRIDTRACE_PUBLIC_URL": BASE_URL,
        "GRIDTRACE_DEVNET": "1",
    }
    return ApiConfig.from_environment(variables | changes)


@pytest.fixture
def environment() -> dict[str, str]:
    """Variables that a test module sets beside the usual ones, by a fixture of this name."""
    return {}


@pytest.fixture
async def market(
    tmp_path: Path, database_url: str, redis_url: str, environment: dict[str, str]
) -> AsyncIterator[Market]:
    """The application with its lifespan running, at market time ``NOW_S``, one block indexed."""
    app = create_app(api_config(tmp_path, database_url, redis_url, **environment))
    async with app.router.lifespan_context(app):
        clock = SteppedClock(NOW_S)
        app.state.services = replace(app.state.services, clock=clock, rpc=FreshChain())
        running = Market(httpx.ASGITransport(app, raise_app_exceptions=False), database_url, clock)
        await index_block(running, 100)
        yield running


async def index_block(market: Market, number: int) -> None:
    """The indexer's cursor stands at this block."""
    block_hash = number.to_bytes(32, "big")
    await market.execute(
        'insert into blockchain.blocks (chain_id, number, hash, parent_hash, "timestamp") '
        "values ($1, $2, $3, $3, to_timestamp($4))",
        CHAIN_ID,
        number,
        block_hash,
        float(NOW_S - 2),
    )
    await market.execute(
        "insert into blockchain.cursors (chain_id, block_number, block_hash, finalized_number) values ($1, $2, $3, 0) "
        "on conflict (chain_id, stream) do update set block_number = excluded.block_number, "
        "block_hash = excluded.block_hash",
        CHAIN_ID,
        number,
        block_hash,
    )


async def index_events(market: Market) -> None:
    """The tables of all contracts' events are there, as once an indexer has started."""
    contracts = tuple(Contract(name, bytes([n]) * 20, artifact(name).abi) for n, name in enumerate(ARTIFACTS))
    db = await connect(market.database_url)
    try:
        await facts.ensure(db, Manifest(chain_id=CHAIN_ID, start_block=0, contracts=contracts))
    finally:
        await db.close()


async def clear_account(market: Market, key: bytes, *, meter_id: int, cash: int = 10_000_000) -> None:
    """Gives an account all that trading needs: clearance, cash, a mandate, a meter."""
    account = address_of(key)
    await market.execute(
        "insert into blockchain.participants values ($1, $2, to_timestamp($3), 3, 276, 1)",
        CHAIN_ID,
        account,
        float(NOW_S + 10_000_000),
    )
    await market.execute(
        "insert into blockchain.account_balances (chain_id, account, cash, updated_block) values ($1, $2, $3, 1)",
        CHAIN_ID,
        account,
        cash,
    )
    await market.execute(
        "insert into blockchain.mandates values ($1, $2, 5000000, 50000000, to_timestamp($3), 1, 1)",
        CHAIN_ID,
        account,
        float(NOW_S + 10_000_000),
    )
    await market.execute(
        "insert into telemetry.meters (meter_id, owner, kind, zone, driver, device, address, key, fuse_w) "
        "values ($1, $2, 'home', $3, 'http', 'push', '-', $4, 20000)",
        meter_id,
        account,
        ZONE,
        address_of(METER_KEY),
    )
