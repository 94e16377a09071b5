"""Exports: every value comes out exactly, in every format, with the block it is of."""

import csv
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from indexer import db as database
from indexer.db import Connection
from indexer.export import ExportRefused, export

pytestmark = pytest.mark.integration

TOKEN, ALICE = b"\xd0" * 20, b"\xaa" * 20
LARGE = 10**77 + 1


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Connection]:
    """Balances and a call, of two chains."""
    connection = await database.connect(database_url)
    for chain_id in (7, 8):
        await connection.execute(
            "insert into blockchain.cursors (chain_id, block_number, block_hash, finalized_number) "
            "values ($1, 90, $2, 80)",
            chain_id,
            b"\x90" * 32,
        )
        await connection.executemany(
            "insert into blockchain.token_balances (chain_id, token, account, balance, updated_block) "
            "values ($1, $2, $3, $4, 5)",
            [(chain_id, TOKEN, bytes([n % 250]) * 19 + bytes([n // 250]), LARGE + n) for n in range(6_000)],
        )
    await connection.execute(
        "insert into blockchain.balance_checks (chain_id, scope, outcome, block_number, block_hash, finality, "
        "compared, differences, notes, started_at) values (7, 'whole', 'equal', 1, $1, 'latest', 0, 0, $2, "
        "'2025-06-15T15:06:44Z')",
        b"\x01" * 32,
        ['quoted "text",\nin lines', "ünï"],
    )
    yield connection
    await connection.close()


async def written(db: Connection, table: str, file_format: str, path: Path) -> int:
    async with db.transaction(isolation="repeatable_read", readonly=True):
        return (await export(db, 7, table, file_format, path)).rows


def read(path: Path, file_format: str) -> list[dict[str, Any]]:
    if file_format == "parquet":
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return rows
    with path.open(newline="") as file:
        if file_format == "csv":
            return list(csv.DictReader(file))
        return [json.loads(line) for line in file]


@pytest.mark.parametrize("file_format", ["csv", "ndjson", "parquet"])
async def test_export__many_rows__are_exact_and_of_one_chain(db: Connection, file_format: str, tmp_path: Path) -> None:
    path = tmp_path / "out"
    assert await written(db, "token_balances", file_format, path) == 6_000
    rows = read(path, file_format)
    assert len(rows) == 6_000
    assert {int(row["balance"]) for row in rows} == {LARGE + n for n in range(6_000)}
    token = rows[0]["token"] if isinstance(rows[0]["token"], bytes) else bytes.fromhex(rows[0]["token"][2:])
    assert token == TOKEN
    assert {int(row["chain_id"]) for row in rows} == {7}
    stamp = json.loads((tmp_path / "out.block.json").read_text())
    assert (stamp["block_number"], stamp["block_hash"], stamp["rows"]) == (90, "0x" + "90" * 32, 6_000)


@pytest.mark.parametrize("file_format", ["csv", "ndjson", "parquet"])
async def test_export__times_text_and_json__come_back(db: Connection, file_format: str, tmp_path: Path) -> None:
    path = tmp_path / "out"
    assert await written(db, "blockchain.balance_checks", file_format, path) == 1
    (row,) = read(path, file_format)
    notes = row["notes"] if isinstance(row["notes"], list) else json.loads(row["notes"])
    assert notes == ['quoted "text",\nin lines', "ünï"]
    moment = row["started_at"]
    assert (moment if isinstance(moment, str) else moment.isoformat().replace("+00:00", "Z")) == "2025-06-15T15:06:44Z"
    assert int(row["compared"]) == 0


async def test_export__parquet__carries_its_block(db: Connection, tmp_path: Path) -> None:
    await written(db, "token_balances", "parquet", tmp_path / "out")
    metadata = pq.read_schema(tmp_path / "out").metadata
    assert metadata[b"gridtrace.block_number"] == b"90"


@pytest.mark.parametrize("file_format", ["csv", "ndjson", "parquet"])
async def test_export__view_and_empty_table__are_written(db: Connection, file_format: str, tmp_path: Path) -> None:
    assert await written(db, "registered_producers", file_format, tmp_path / "out") == 0
    assert read(tmp_path / "out", file_format) == []


@pytest.mark.parametrize(
    ("table", "file_format"),
    [
        ("nothing", "csv"), ("pg_catalog.pg_class", "csv"), ("wallet.outbox", "csv"), ('x"; drop table', "csv"),
        ("balance_differences", "csv"), ("token_balances", "xlsx"),
    ],
)  # fmt: skip
async def test_export__what_is_not_the_mirrors__is_refused(
    db: Connection, table: str, file_format: str, tmp_path: Path
) -> None:
    with pytest.raises(ExportRefused):
        await written(db, table, file_format, tmp_path / "out")
    assert not (tmp_path / "out").exists()
