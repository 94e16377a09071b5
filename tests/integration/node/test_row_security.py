"""Whose rows are seen: the catalogue has no gap, and no request sees another's rows whatever happens to it."""

import asyncio
import os
import random
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import pytest

from contracts.typed_data import Reading, address_of, reading_digest, sign
from indexer import migrate
from indexer.db import Connection, Pool, connect, open_pool, transaction
from node.metering.readings import SignedReading
from node.metering.service import accept
from node.row_security import APPLICATION_ROLE, act_as, as_everybody
from tests.integration.conftest import database_of, execute

pytestmark = pytest.mark.integration

ACCOUNTS = 50
REQUESTS = 10_000 if os.environ.get("GRIDTRACE_DEEP") else 600
POOL = 5
SCHEMAS = ["blockchain", "entities", "grid", "identity", "trading", "telemetry", "assets", "wallet", "audit"]

EVERYBODYS = {
    "assets.asset_documents": "which papers there are; the papers themselves are guarded where they are read",
    "assets.assets": "the plants on offer",
    "assets.events": "what happened to a plant",
    "assets.purchases": "signed purchases, public with their transaction",
    "assets.revenue_distributions": "what a plant paid",
    "assets.weather_sources": "where a plant's weather is asked",
    "audit.audit_logs": "hashes and what changed in published results",
    "audit.anchors": "hashes that stand on chain",
    "audit.asset_checks": "what the auditor found",
    "audit.slot_checks": "what the auditor found",
    "telemetry.buffers": "how far files have been read",
    "trading.area_auctions": "published results",
    "trading.auctions": "published results",
    "trading.books": "how far open books have come",
    "trading.day_ahead_auctions": "published results",
    "trading.day_ahead_prices": "published results",
    "trading.day_ahead_terms": "published rules",
    "trading.market_areas": "published rules",
    "trading.settlement_accounts": "settled, and public on chain",
    "trading.settlement_batches": "settled, and public on chain",
    "trading.settlement_charges": "settled, and public on chain",
    "trading.settlement_voids": "settled, and public on chain",
    "trading.settlements": "settled, and public on chain",
    "trading.slot_logs": "published after the gate",
    "trading.trades": "published results",
    "wallet.outbox": "transactions on their way to the public chain",
}
"""Tables of no single account, and what is in them. A new table stands here or is protected."""
EVERYBODYS_SERIES = ("telemetry.energy_production", "telemetry.weather_data")
"""What plants on offer produce, in partitions or chunks."""


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Connection]:
    connection = await connect(database_url)
    yield connection
    await connection.close()


async def enter(db: Connection, count: int) -> list[tuple[bytes, UUID]]:
    """Accounts with a meter, a reading, a notification and a sealed order each."""
    people = []
    for number in range(1, count + 1):
        account = number.to_bytes(20, "big")
        user = await db.fetchval("insert into identity.users (wallet) values ($1) returning id", account)
        await db.execute("insert into identity.notifications (user_id, kind) values ($1, 'n')", user)
        await db.execute(
            "insert into telemetry.meters (meter_id, owner, kind, zone, driver, device, address, key, fuse_w)"
            " values ($1, $2, 'home', 1, 'http', 'push', '-', $2, 20000)",
            number,
            account,
        )
        await db.execute(
            'insert into telemetry.readings (meter_id, "time", counter, import_wh, export_wh, signature, signer)'
            " values ($1, now(), 1, 0, 0, $2, $3)",
            number,
            bytes(65),
            account,
        )
        await db.execute(
            "insert into trading.orders (digest, sequence, trader, side, zone, delivery_start, energy_wh,"
            " limit_price_per_kwh, time_in_force, source, expiry, lane, nonce, signature, received_at)"
            " values ($1, $2, $3, 'buy', 1, to_timestamp(2000), 5, 1, 0, 0, 1, 1, 1, $4, now())",
            number.to_bytes(32, "big"),
            number,
            account,
            bytes(65),
        )
        people.append((account, user))
    return people


OWNERS = """
select owner from telemetry.meters
union all select m.owner from telemetry.readings r join telemetry.meters m using (meter_id)
union all select wallet from identity.users
union all select u.wallet from identity.notifications n join identity.users u on u.id = n.user_id
union all select trader from trading.orders
union all select trader from trading.held_orders
"""


async def test_catalogue__every_table__is_protected_or_declared_everybodys(db: Connection) -> None:
    rows = await db.fetch(
        "select c.oid::regclass::text as name, c.relispartition,"
        " c.relrowsecurity and c.relforcerowsecurity as is_forced,"
        " (select bool_and(p.polqual is not null and (p.polwithcheck is not null or p.polcmd = 'r'))"
        "  and bool_or(p.polcmd = '*') from pg_policy p where p.polrelid = c.oid) as is_whole"
        " from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where c.relkind in ('r', 'p') and n.nspname = any ($1)",
        [name for name in SCHEMAS if name not in ("blockchain", "entities")],
    )
    exceptions = [
        row["name"]
        for row in rows
        if row["name"] not in EVERYBODYS
        and not row["name"].startswith(EVERYBODYS_SERIES)
        and not (row["is_forced"] and row["is_whole"])
    ]
    assert exceptions == []
    protected = {row["name"] for row in rows if row["is_forced"] and not row["relispartition"]}
    assert len(protected) >= 14
    assert not protected & set(EVERYBODYS)


async def test_catalogue__new_partitions__are_protected(db: Connection) -> None:
    await db.execute("select telemetry.ensure_readings_partition(timestamptz '2031-05-05 00:00Z')")
    forced = await db.fetchval(
        "select relrowsecurity and relforcerowsecurity from pg_class where oid = 'telemetry.readings_2031_05'::regclass"
    )
    assert forced is True


async def test_catalogue__every_view__reads_with_the_rights_of_who_asks(db: Connection) -> None:
    rows = await db.fetch(
        "select c.oid::regclass::text as name,"
        " coalesce('security_invoker=true' = any (c.reloptions), false) as is_invoker"
        " from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'v' and n.nspname = any ($1)",
        SCHEMAS,
    )
    assert len(rows) > 5
    assert [row["name"] for row in rows if not row["is_invoker"]] == []
    materialized = "select count(*) from pg_matviews where schemaname = any ($1)"
    assert await db.fetchval(materialized, SCHEMAS) == 0


async def test_catalogue__application_role__owns_nothing_and_bypasses_nothing(db: Connection) -> None:
    role = await db.fetchrow(
        "select rolsuper or rolbypassrls or rolcanlogin or rolcreaterole as is_mighty,"
        " (select count(*) from pg_class where relowner = r.oid) as owned,"
        " (select count(*) from pg_auth_members where member = r.oid) as memberships"
        " from pg_roles r where rolname = $1",
        APPLICATION_ROLE,
    )
    assert role is not None
    assert dict(role) == {"is_mighty": False, "owned": 0, "memberships": 0}


async def test_rows__by_caller__are_his_own_or_all_for_who_oversees(db: Connection) -> None:
    (alice, alice_id), _ = await enter(db, 2)
    for who, sees in (
        ((), set()),
        ((alice, alice_id, "trader"), {alice}),
        ((alice, alice_id, "manager"), {alice}),
        ((alice, alice_id, "auditor"), {alice, bytes(19) + b"\x02"}),
        ((alice, alice_id, "admin"), {alice, bytes(19) + b"\x02"}),
    ):
        async with db.transaction():
            await act_as(db, 1000, *who)
            assert {row[0] for row in await db.fetch(OWNERS)} == sees, who
    async with db.transaction():
        await act_as(db, 2000)  # the gate of the orders' slot has closed
        assert {row[0] for row in await db.fetch("select trader from trading.orders")} == {alice, bytes(19) + b"\x02"}


CHANGES = (
    "insert into telemetry.meters (meter_id, owner, kind, zone, driver, device, address, key, fuse_w)"
    " values (77, $1, 'home', 1, 'http', 'push', '-', $1, 20000)",
    "update trading.orders set trader = $1",
    "update telemetry.meters set owner = $1",
)


@pytest.mark.parametrize("role", ["trader", "auditor"])
async def test_rows__of_another__are_neither_made_nor_taken_nor_given_away(db: Connection, role: str) -> None:
    (alice, alice_id), (bob, bob_id) = await enter(db, 2)
    for change in CHANGES:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with db.transaction():
                await act_as(db, 1000, alice, alice_id, role)
                await db.execute(change, bob)
    async with db.transaction():
        await act_as(db, 1000, alice, alice_id, role)
        assert await db.execute("update identity.users set email = 'x@y' where id = $1", bob_id) == "UPDATE 0"
        assert await db.execute("delete from identity.notifications where user_id = $1", bob_id) == "DELETE 0"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await db.execute("alter table trading.orders disable row level security")


async def test_connection__after_a_transaction__is_as_before(database_url: str) -> None:
    settings = "select current_user::text || coalesce(current_setting('gridtrace.account', true), '')"
    async with open_pool(database_url, size=1) as pool:
        before = await pool.fetchval(settings)
        async with transaction(pool) as db:
            await act_as(db, 1000, b"\x01" * 20, None, "admin")
            assert await db.fetchval(settings) == APPLICATION_ROLE + "01" * 20
        assert await pool.fetchval(settings) == before


async def request(pool: Pool, account: bytes, user: UUID, seen: list[tuple[bytes, bytes]]) -> None:
    async with transaction(pool) as db:
        await act_as(db, 1000, account, user, "trader")
        seen.extend((account, row[0]) for row in await db.fetch(OWNERS))
        await asyncio.sleep(0)
        seen.extend((account, row[0]) for row in await db.fetch("select trader from trading.orders"))


async def test_requests__interleaved_on_few_connections_and_cancelled__see_no_foreign_row(
    database_url: str, db: Connection
) -> None:
    people, draw = await enter(db, ACCOUNTS), random.Random(1)
    seen: list[tuple[bytes, bytes]] = []
    ended = 0
    async with open_pool(database_url, size=POOL) as pool:
        for _ in range(0, REQUESTS, 100):
            tasks = [asyncio.create_task(request(pool, *draw.choice(people), seen)) for _ in range(100)]
            for task in draw.sample(tasks, 30):
                asyncio.get_running_loop().call_later(draw.random() / 20, task.cancel)
            results = await asyncio.gather(*tasks, return_exceptions=True)
            ended += sum(result is None for result in results)
            assert all(result is None or isinstance(result, asyncio.CancelledError) for result in results)
        nobody = [await pool.fetchval("select current_setting('gridtrace.account', true)") for _ in range(POOL)]
    assert ended > REQUESTS / 3
    assert [pair for pair in seen if pair[0] != pair[1]] == []
    assert {account for account, _ in seen} <= {account for account, _ in people}
    assert not any(nobody)


async def test_owner__who_is_no_superuser__is_served_and_takes_readings(
    postgres_url: str, template_database: str
) -> None:
    name, key = f"gridtrace_owned_{secrets.token_hex(4)}", bytes(31) + b"\x09"
    login = database_of(postgres_url, name).replace(postgres_url.split("@")[0], f"postgresql://{name}:{name}")
    await execute(postgres_url, f"create role {name} login createrole password '{name}'")
    await execute(postgres_url, f"create database {name} owner {name}")
    try:
        await execute(
            database_of(postgres_url, name),
            "create extension cube",
            "create extension earthdistance",
            "create extension btree_gist",
            f"grant gridtrace_app to {name} with admin option",
        )
        await asyncio.to_thread(migrate.upgrade, login)
        db = await connect(login)
        try:
            (account, user), _ = await enter(db, 2)
            await db.execute("update telemetry.meters set key = $1 where meter_id = 1", address_of(key))
            assert await db.fetchval("select count(*) from telemetry.meters") == 2
            now_s = int(datetime.now(UTC).timestamp())
            reading = Reading(1, now_s - 5, 7, 10, 0, 0)
            signed = SignedReading.recovered(reading, sign(reading_digest(reading), key))
            async with db.transaction():
                (outcome,) = await accept(db, [signed], now_s=now_s, slot_s=900)
            assert outcome.state == "VALIDATED"
            async with db.transaction():
                await act_as(db, 1000, account, user, "trader")
                assert {row[0] for row in await db.fetch(OWNERS)} == {account}
        finally:
            await db.close()
    finally:
        await execute(postgres_url, f"drop database {name} with (force)", f"drop role {name}")


async def test_as_everybody__afterwards__only_the_callers_rows_are_seen(db: Connection) -> None:
    (account, user), *_ = await enter(db, 3)
    meters = "select count(*) from telemetry.meters"
    async with db.transaction():
        await act_as(db, 0.0, account, user, "trader")
        assert await db.fetchval(meters) == 1
        async with as_everybody(db):
            assert await db.fetchval(meters) == 3
        assert await db.fetchval(meters) == 1
        assert await db.fetchval("select current_user") == APPLICATION_ROLE
    assert await db.fetchval("select current_user = session_user")
