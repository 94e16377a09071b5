"""The cache against what PostgreSQL says: written, rebuilt, never more than that."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from indexer.db import Connection, connect
from node.assets import news
from node.cache import BOARDS, PREFIX, Cache

pytestmark = pytest.mark.integration

CHAIN_ID = 31_337
ALICE, BOB = b"\x0a" * 20, b"\x0b" * 20


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Connection]:
    connection = await connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def cache(redis_url: str) -> AsyncIterator[Cache]:
    opened = Cache(redis_url)
    yield opened
    await opened.close()


async def populate(db: Connection) -> dict[str, str]:
    """Two users, two plants, of which one is on chain and sold."""
    found = {}
    for name, wallet in (("alice", ALICE), ("bob", BOB)):
        found[name] = str(
            await db.fetchval(
                "insert into identity.users (wallet, wallet_address, email) values ($1, $2, $3) returning id",
                wallet,
                "0x" + wallet.hex(),
                f"{name}@example.org",
            )
        )
    for number, name in enumerate(("hill", "roof"), 1):
        found[name] = str(
            await db.fetchval(
                "insert into assets.assets (owner, plant_id, name, symbol, supply)"
                " values ($1, $2::text, $2::text, 'SUN', 100) returning id",
                ALICE,
                name,
            )
        )
        await db.execute(
            "insert into blockchain.asset_tokens values"
            " ($1, $2, $3, $4, $5, 100, $6, 'SUN', $4, '', 2000000, 10, now(), 0, 1)",
            CHAIN_ID,
            bytes([number]) * 20,
            number,
            bytes(32),
            ALICE,
            name,
        )
    await db.execute(
        "insert into blockchain.asset_purchases values ($1, 5, 0, $2, now(), $3, $4, $5, 10, 2000000, 20000000)",
        CHAIN_ID,
        bytes(32),
        b"\x01" * 20,
        BOB,
        ALICE,
    )
    await db.execute(
        "insert into assets.revenue_distributions (asset_id, period_start, period_end, amount, energy_wh, sold_wh,"
        " slots, open_slots, status, distribution_date) values ($1, '2026-01-01', '2026-02-01', 20000000, 1, 1, 1, 0,"
        " 'distributed', now())",
        found["hill"],
    )
    await news.happened(db, found["hill"], "distribution", amount=2**70)  # type: ignore[arg-type]
    return found


async def test_rebuild__from_postgresql__has_every_key_of_the_document(db: Connection, cache: Cache) -> None:
    ids = await populate(db)
    assert await cache.rebuild(db, CHAIN_ID) > 0
    assert (await cache.get(f"asset:{ids['hill']}:details"))["name"] == "hill"
    profile = await cache.get(f"user:{ids['alice']}:profile")
    assert profile["role"] == "trader"
    assert "email" not in profile
    # 20 paid in for January, of a hundred fractions at 2 each, for a whole year.
    assert await cache.leaders("assets:by-yield", 10) == [(ids["hill"], int(20 * 365 * 10_000 / (31 * 200)) / 10_000)]
    assert await cache.leaders("users:by-investment", 10) == [(ids["bob"], 20.0)]
    (event,) = await cache.entries(f"asset:{ids['hill']}:events")
    assert event["detail"] == {"amount": str(2**70)}
    (told,) = await cache.entries(f"user:{ids['alice']}:notifications")
    assert told["detail"]["asset_id"] == ids["hill"]
    assert await cache.entries(f"user:{ids['bob']}:notifications") == []


async def test_rebuild__keys_of_what_is_gone__go_too(db: Connection, cache: Cache, redis_url: str) -> None:
    await cache.rebuild(db, CHAIN_ID)
    stale, foreign = f"{PREFIX}asset:{uuid4()}:details", f"{PREFIX}something:else"
    await cache._redis.mset({stale: "{}", foreign: "kept"})
    await cache.rebuild(db, CHAIN_ID)
    assert not await cache._redis.exists(stale)
    assert await cache._redis.get(foreign) == b"kept"


async def test_refresh__some__leaves_the_others_alone(db: Connection, cache: Cache) -> None:
    ids = await populate(db)
    await cache.rebuild(db, CHAIN_ID)
    await db.execute("update assets.assets set status = 'suspended'")
    await cache.refresh(db, CHAIN_ID, [ids["roof"]])
    assert (await cache.get(f"asset:{ids['roof']}:details"))["status"] == "suspended"
    assert (await cache.get(f"asset:{ids['hill']}:details"))["status"] == "pending"


async def test_follow__user_changed_or_bought__is_written_without_being_named(db: Connection, cache: Cache) -> None:
    ids = await populate(db)
    await db.execute(
        "insert into blockchain.cursors (chain_id, stream, block_number, block_hash) values ($1, 'main', 5, $2)",
        CHAIN_ID,
        bytes(32),
    )
    assert {str(user) for user in await cache.follow(db, CHAIN_ID, datetime.now(UTC))} == {ids["alice"], ids["bob"]}
    assert await cache.leaders("users:by-investment", 10) == [(ids["bob"], 20.0)]
    later = datetime.now(UTC) + timedelta(hours=1)
    await cache.follow(db, CHAIN_ID, later)
    await db.execute(
        "update identity.users set kyc_status = 'approved', updated_at = $2 where id = $1", ids["alice"], later
    )
    assert {str(user) for user in await cache.follow(db, CHAIN_ID, later)} == {ids["alice"]}
    assert (await cache.get(f"user:{ids['alice']}:profile"))["kyc_status"] == "approved"
    # A reorganisation may have brought purchases that are not the newest.
    await db.execute("update blockchain.cursors set reorg_epoch = reorg_epoch + 1")
    assert ids["bob"] in {str(user) for user in await cache.follow(db, CHAIN_ID, later + timedelta(hours=1))}


async def test_best__redis_away__postgresql_answers_the_same(db: Connection, cache: Cache) -> None:
    await populate(db)
    from_postgresql = [await cache.best(db, CHAIN_ID, board, 10) for board in BOARDS]
    await cache.rebuild(db, CHAIN_ID)
    assert [await cache.best(db, CHAIN_ID, board, 10) for board in BOARDS] == from_postgresql
    assert all(from_postgresql)
    away = Cache("redis://127.0.0.1:1/0")
    assert [await away.best(db, CHAIN_ID, board, 10) for board in BOARDS] == from_postgresql
    assert await away.refresh(db, CHAIN_ID, [], []) == 0
    await away.close()
