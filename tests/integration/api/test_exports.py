"""Files asked for over the API: what is in them, who may have them, and that a kill costs only time."""

import asyncio
import csv
import hashlib
import io
import json
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from contracts.typed_data import address_of
from indexer.clock import SimulatedClock
from indexer.db import connect
from node.exports.worker import Worker
from tests.integration.api.conftest import (
    ALICE_KEY,
    BOB_KEY,
    CHAIN_ID,
    EXCHANGE,
    NOW_S,
    OPERATOR_KEY,
    Market,
    clear_account,
    index_block,
    index_events,
)

pytestmark = pytest.mark.integration

ALICE, BOB = address_of(ALICE_KEY), address_of(BOB_KEY)
DEPOSITED = "fact_settlement_exchange_deposited"
LIMIT_S = 60


async def token_of(market: Market, key: bytes) -> str:
    async with market.client(key) as client:
        return (await client.sign_in()).session_token


async def finished(http: httpx.AsyncClient, export_id: str) -> dict[str, Any]:
    async with asyncio.timeout(LIMIT_S):
        while True:
            found: dict[str, Any] = (await http.get(f"/v1/exports/{export_id}")).json()
            if found["state"] not in ("queued", "running"):
                return found
            await asyncio.sleep(0.05)


async def ask(http: httpx.AsyncClient, dataset: str, file_format: str = "csv", **filters: object) -> dict[str, Any]:
    body = {"dataset": dataset, "format": file_format, "filters": filters}
    answer = await http.post("/v1/exports", json=body)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/v1/exports/{answer.json()['id']}"
    return await finished(http, answer.json()["id"])


async def deposits(market: Market, *blocks: int) -> None:
    for block in blocks:
        await market.execute(
            f"insert into blockchain.{DEPOSITED} (chain_id, block_number, log_index, transaction_hash, block_time, "
            "emitter, account, cash, energy_wh) values ($1, $2, 0, $3, to_timestamp($4), $5, $6, $7, 0)",
            CHAIN_ID, block, bytes(32), float(NOW_S), EXCHANGE, ALICE, 10**20 + block,
        )  # fmt: skip


async def test_export__of_events__is_pinned_to_its_block_in_every_format(market: Market) -> None:
    await index_events(market)
    await index_block(market, 60)
    await market.execute("update blockchain.cursors set block_number = 100, block_hash = $1", (100).to_bytes(32, "big"))
    await deposits(market, 50, 60, 70)
    async with market.http(await token_of(market, BOB_KEY)) as http:
        for file_format in ("csv", "ndjson", "parquet"):
            job = await ask(http, DEPOSITED, file_format, block=60)
            assert (job["state"], job["block_number"], job["rows"]) == ("done", 60, 2), job
            file = await http.get(f"/v1/exports/{job['id']}/file")
            assert file.headers["cache-control"] == "private, no-store"
            assert "0x" + hashlib.sha256(file.content).hexdigest() == job["sha256"]
            assert int(job["size_bytes"]) == len(file.content)
            if file_format == "csv":
                rows = list(csv.DictReader(io.StringIO(file.text)))
            elif file_format == "ndjson":
                rows = [json.loads(line) for line in file.text.splitlines()]
            else:
                rows = pq.read_table(io.BytesIO(file.content)).to_pylist()
            assert [int(row["cash"]) for row in rows] == [10**20 + 50, 10**20 + 60]
        part = await http.get(f"/v1/exports/{job['id']}/file", headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, file.content[4:8])


async def test_export__of_meters__has_only_what_the_asker_may_see(market: Market) -> None:
    for meter_id, key in ((1, ALICE_KEY), (2, BOB_KEY)):
        await clear_account(market, key, meter_id=meter_id)
        await market.execute(
            "insert into telemetry.slot_energy (meter_id, delivery_start, slot_s, import_register_wh, "
            "export_register_wh, import_wh, export_wh, state) values ($1, to_timestamp($2), 900, 1, 1, 1, 1, 'FINAL')",
            meter_id,
            float(NOW_S),
        )
    seen = {}
    for name, key in (("alice", ALICE_KEY), ("bob", BOB_KEY), ("operator", OPERATOR_KEY)):
        async with market.http(await token_of(market, key)) as http:
            job = await ask(http, "energy", zone=1)
            file = await http.get(f"/v1/exports/{job['id']}/file")
            seen[name] = [int(row["meter_id"]) for row in csv.DictReader(io.StringIO(file.text))]
            assert (await http.get("/v1/exports")).json()["items"][0]["id"] == job["id"]
    assert seen == {"alice": [1], "bob": [2], "operator": [1, 2]}


async def test_export__of_somebody_else__looks_like_none(market: Market) -> None:
    async with market.http(await token_of(market, ALICE_KEY)) as http:
        job = await ask(http, "trades")
    async with market.http(await token_of(market, BOB_KEY)) as http:
        for method, path in (("GET", ""), ("GET", "/file"), ("DELETE", "")):
            answer = await http.request(method, f"/v1/exports/{job['id']}{path}")
            assert (answer.status_code, answer.json()["code"]) == (404, "export-not-found")
    async with market.http() as http:
        assert (await http.post("/v1/exports", json={"dataset": "trades"})).status_code == 401


async def test_export__deleted__takes_its_file_away(market: Market) -> None:
    async with market.http(await token_of(market, ALICE_KEY)) as http:
        job = await ask(http, "trades")
        assert (await http.delete(f"/v1/exports/{job['id']}")).status_code == 204
        assert (await http.get(f"/v1/exports/{job['id']}/file")).status_code == 404


async def test_export__over_its_time__is_gone(market: Market) -> None:
    async with market.http(await token_of(market, ALICE_KEY)) as http:
        job = await ask(http, "trades")
        await market.execute("update identity.exports set expires_at = clock_timestamp() - interval '1 second'")
        async with asyncio.timeout(LIMIT_S):
            while (await http.get(f"/v1/exports/{job['id']}")).json()["state"] != "expired":
                await asyncio.sleep(0.1)
        gone = await http.get(f"/v1/exports/{job['id']}/file")
    assert (gone.status_code, gone.json()["code"]) == (410, "export-gone")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"dataset": "pg_class"}, "export-refused"),
        ({"dataset": "wallet.outbox"}, "export-refused"),
        ({"dataset": "trades", "filters": {"block": 1}}, "export-refused"),
        ({"dataset": "token_balances", "filters": {"block": 1}}, "export-refused"),
        ({"dataset": "blocks", "filters": {"zone": 1}}, "export-refused"),
        ({"dataset": DEPOSITED, "filters": {"block": 99}}, "export-refused"),
        ({"dataset": DEPOSITED, "filters": {"block": 101}}, "export-refused"),
        ({"dataset": 'x"; drop table'}, "field-invalid"),
        ({"dataset": "trades", "format": "xlsx"}, "field-invalid"),
        ({"dataset": "trades", "rows": 1}, "field-invalid"),
    ],
)
async def test_export__that_cannot_be__is_refused(market: Market, body: dict[str, Any], code: str) -> None:
    await index_events(market)
    async with market.http(await token_of(market, ALICE_KEY)) as http:
        answer = await http.post("/v1/exports", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


class TestKilled:
    """Without the application's own worker."""

    @pytest.fixture
    def environment(self, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
        return {"GRIDTRACE_EXPORTS_DIR": "/proc/nowhere"}

    async def test_worker__killed_while_it_writes__another_writes_the_same_file(
        self, market: Market, tmp_path: Any
    ) -> None:
        await index_events(market)
        await deposits(market, *range(1, 40))
        await market.execute("insert into identity.users (wallet, role) values ($1, 'trader')", ALICE)
        await market.execute(
            "insert into identity.exports (user_id, account, role, dataset, format, filters, chain_id, block_number, "
            "block_hash) select id, wallet, role, $1, 'csv', $2, $3, 100, $4 from identity.users",
            DEPOSITED,
            dict.fromkeys(("zone", "start", "end", "first_block", "block")),
            CHAIN_ID,
            (100).to_bytes(32, "big"),
        )
        one, other = (Worker(market.database_url, tmp_path / "exports", SimulatedClock()) for _ in range(2))
        one.folder.mkdir()
        dying, db = await connect(market.database_url), await connect(market.database_url)
        job_id = await db.fetchval("select id from identity.exports")
        # The first has begun, left half a file, and holds the job for as long as its connection lives.
        await dying.execute("select pg_advisory_lock(hashtextextended('gridtrace.export.' || $1::uuid, 0))", job_id)
        await dying.execute("update identity.exports set state = 'running', attempts = 1")
        (one.folder / f"{job_id}.part").write_text("half")
        assert not await other.step(db)
        dying.terminate()
        async with asyncio.timeout(LIMIT_S):
            while not await other.step(db):
                await asyncio.sleep(0.05)
        row = await db.fetchrow("select state, rows, attempts from identity.exports")
        assert row is not None
        assert tuple(row) == ("done", 39, 2)
        assert len((other.folder / f"{job_id}.csv").read_text().splitlines()) == 40
        assert [path.name for path in other.folder.iterdir()] == [f"{job_id}.csv"]
        await db.close()

    async def test_worker__block_reorganised_away__says_so(self, market: Market, tmp_path: Any) -> None:
        await index_events(market)
        await market.execute("insert into identity.users (wallet, role) values ($1, 'trader')", ALICE)
        await market.execute(
            "insert into identity.exports (user_id, account, role, dataset, format, filters, chain_id, block_number, "
            "block_hash) select id, wallet, role, $1, 'csv', $2, $3, 100, $4 from identity.users",
            DEPOSITED,
            dict.fromkeys(("zone", "start", "end", "first_block", "block")),
            CHAIN_ID,
            b"\x07" * 32,
        )
        worker = Worker(market.database_url, tmp_path / "exports", SimulatedClock())
        worker.folder.mkdir()
        db = await connect(market.database_url)
        assert await worker.step(db)
        assert await db.fetchval("select state || ' ' || fault_code from identity.exports") == "failed block-orphaned"
        await db.close()
