"""The asset system's published schema: each table, column, index and query works here under its own name.

The tables stand in three schemas and one is a view of the mirrored chain; with the search path that docs/assets.md
gives, statements written for the schema run as they are.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from indexer.db import Connection, connect

pytestmark = pytest.mark.integration

SEARCH_PATH = "assets, identity, telemetry, public"
WIDTHS = {"varchar": "character varying", "char": "character", "decimal": "numeric"}
NOW_TZ = "timestamp with time zone"
TABLES = {
    "users": {
        "id": "uuid", "email": "varchar(255)", "wallet_address": "varchar(42)", "kyc_status": "varchar(20)",
        "created_at": NOW_TZ, "updated_at": NOW_TZ,
    },
    "user_profiles": {
        "user_id": "uuid", "full_name": "varchar(255)", "country_code": "char(2)", "phone": "varchar(20)",
        "document_type": "varchar(20)", "document_number": "varchar(50)", "verification_date": NOW_TZ,
    },
    "assets": {
        "id": "uuid", "token_id": "bigint", "name": "varchar(255)", "location_lat": "decimal(10,8)",
        "location_lon": "decimal(11,8)", "capacity_kw": "decimal(10,2)", "asset_type": "varchar(50)",
        "status": "varchar(20)", "created_at": NOW_TZ,
    },
    "asset_documents": {
        "id": "uuid", "asset_id": "uuid", "document_type": "varchar(50)", "ipfs_hash": "varchar(64)",
        "uploaded_at": NOW_TZ,
    },
    "investments": {
        "id": "uuid", "user_id": "uuid", "asset_id": "uuid", "amount_tokens": "decimal(20,8)",
        "purchase_price": "decimal(20,8)", "transaction_hash": "varchar(66)", "invested_at": NOW_TZ,
    },
    "revenue_distributions": {
        "id": "uuid", "asset_id": "uuid", "period_start": "date", "period_end": "date",
        "total_amount": "decimal(20,8)", "distribution_date": NOW_TZ, "status": "varchar(20)",
    },
    "energy_production": {
        "time": NOW_TZ, "asset_id": "uuid", "power_kw": "decimal(10,2)", "voltage": "decimal(6,2)",
        "temperature": "decimal(5,2)",
    },
    "weather_data": {
        "time": NOW_TZ, "asset_id": "uuid", "temperature": "decimal(5,2)", "irradiance": "decimal(7,2)",
        "wind_speed": "decimal(5,2)",
    },
}  # fmt: skip
"""Every column of the schema with its type."""

USER = "(select id from users where email = 'user7@example.org')"
ASSET = "(select id from assets where name = 'Plant 7')"
INDEXED = {
    "idx_users_email": "select * from users where email = 'user7@example.org'",
    "idx_users_wallet": "select * from users where wallet_address = '0x7'",
    "idx_assets_location": "select * from assets where earth_box(ll_to_earth(47.1, 8.1), 500)"
    " @> ll_to_earth(location_lat, location_lon)",
    "idx_assets_status": "select * from assets where status = 'suspended'",
    "idx_investments_user": f"select * from investments where user_id = {USER}",
    "idx_investments_asset": f"select * from investments where asset_id = {ASSET}",
    "idx_production_asset_time": f"select * from energy_production where asset_id = {ASSET} order by time desc limit 1",
    "idx_weather_asset_time": f"select * from weather_data where asset_id = {ASSET} order by time desc limit 1",
}
"""What each index is for."""
ALSO = {
    "idx_users_email": "users_email_key",
    "idx_users_wallet": "users_wallet_address_key",
    "idx_investments_user": "asset_purchases_buyer",
    "idx_investments_asset": "asset_purchases_token",
}
"""Other indexes that begin with the same column: either serves."""


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Connection]:
    connection = await connect(database_url, command_timeout_s=120)
    await connection.execute(f"set search_path to {SEARCH_PATH}")
    yield connection
    await connection.close()


async def populate(db: Connection) -> None:
    """Enough rows of everything that reading all of them is the wrong plan."""
    await db.execute(
        "insert into users (email, wallet_address, wallet) select 'user' || n || '@example.org', '0x' || n,"
        " decode(lpad(to_hex(n), 40, '0'), 'hex') from generate_series(1, 600) n;"
        "insert into user_profiles (user_id, full_name, country_code) select id, 'Name', 'CH' from users;"
        "insert into assets (owner, plant_id, name, symbol, supply, status, location_lat, location_lon)"
        " select decode(lpad(to_hex(n), 40, '0'), 'hex'), 'plant-' || n, 'Plant ' || n, 'SUN', 1000,"
        " case when n % 200 = 0 then 'suspended' else 'active' end, 40 + n / 60.0, 8 + n / 200.0"
        " from generate_series(1, 600) n;"
        "insert into blockchain.asset_tokens select 31337, decode(lpad(to_hex(a.token_id), 40, '0'), 'hex'),"
        " a.token_id, decode(repeat('00', 32), 'hex'), a.owner, 1000, a.name, 'SUN',"
        " decode(repeat('00', 32), 'hex'), '', 2000000, 10, now(), 0, 1 from assets a;"
        "insert into blockchain.asset_purchases select 31337, n, 0, decode(repeat('00', 32), 'hex'), now(),"
        " decode(lpad(to_hex(1 + n % 600), 40, '0'), 'hex'), decode(lpad(to_hex(1 + n * 7 % 600), 40, '0'), 'hex'),"
        " decode(repeat('0a', 20), 'hex'), 3, 2000000, 6000000 from generate_series(1, 3000) n;"
        "insert into energy_production select now() - n * interval '1 minute', a.id, 1.5, 230.1, 20.5"
        " from assets a, generate_series(1, 4) n;"
        "insert into weather_data select now() - n * interval '1 hour', a.id, 20.5, 800, 3.5"
        " from assets a, generate_series(1, 4) n;"
        "insert into revenue_distributions (asset_id, period_start, period_end, amount, energy_wh, sold_wh, slots,"
        " open_slots) select id, '2026-01-01', '2026-02-01', 5000000, 1, 1, 1, 0 from assets;"
        "insert into asset_documents (asset_id, document_type, ipfs_hash, file_name, media_type, size_bytes,"
        " total_bytes, profile, uploaded_by) select id, 'legal', 'bafy', 'contracts.pdf', 'application/pdf', 1, 1,"
        " 'classic', owner from assets;"
        "analyze"
    )


async def test_tables__every_column__has_its_name_and_type(db: Connection) -> None:
    for table, columns in TABLES.items():
        rows = await db.fetch(
            "select attname, format_type(atttypid, atttypmod) as type from pg_attribute"
            " where attrelid = $1::text::regclass and attnum > 0 and not attisdropped",
            table,
        )
        found = {row["attname"]: row["type"] for row in rows}
        for name, wanted in columns.items():
            kind, bracket, width = wanted.partition("(")
            assert found[name] == WIDTHS.get(kind, kind) + bracket + width, f"{table}.{name}"


def indexes_of(plan: Any) -> set[str]:
    """Names of all indexes that a plan reads; of a partition's that of the table it belongs to."""
    below = [name for child in plan.get("Plans", ()) for name in indexes_of(child)]
    return {*below, *([plan["Index Name"]] if "Index Name" in plan else [])}


async def test_queries__each_table_and_index__answers_by_the_schemas_names(db: Connection) -> None:
    await populate(db)
    for table, columns in TABLES.items():
        row = await db.fetchrow(f"select {', '.join(columns)} from {table} limit 1")
        assert row is not None and list(row.keys()) == list(columns)
    bought = await db.fetchrow(f"select * from investments where user_id = {USER} limit 1")
    assert bought is not None
    assert (bought["amount_tokens"], bought["purchase_price"]) == (3, 2)
    assert len(bought["transaction_hash"]) == 66
    await db.execute("set enable_seqscan = off")
    for name, query in INDEXED.items():
        known = await db.fetchval("select count(*) from pg_class where relname = $1 and relkind in ('i', 'I')", name)
        assert known, name
        (row,) = await db.fetch(f"explain (format json) {query}")
        plan = row[0] if isinstance(row[0], list) else json.loads(row[0])
        used = indexes_of(plan[0]["Plan"])
        parents = {
            parent["relname"]
            for parent in await db.fetch(
                "select p.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid"
                " join pg_class p on p.oid = i.inhparent where c.relname = any ($1::text[])",
                list(used),
            )
        }
        assert {name, ALSO.get(name, name)} & (used | parents), f"{name}: {used | parents}"
        await db.fetch(query)


async def test_defaults__of_the_schema__stand(db: Connection) -> None:
    row = await db.fetchrow("insert into users (email) values ('new@example.org') returning kyc_status, id, created_at")
    assert row is not None and row["kyc_status"] == "pending" and row["id"] and row["created_at"]
    status = await db.fetchval(
        "insert into assets (owner, plant_id, name, symbol, supply) values (decode(repeat('0a', 20), 'hex'), 'p', 'P',"
        " 'PP', 1) returning status"
    )
    assert status == "pending"
