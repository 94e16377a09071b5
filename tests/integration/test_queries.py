"""Every named statement in the product is valid against the migrated schema."""

from pathlib import Path

import asyncpg
import pytest

from indexer.db import connect, parse

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
FILES = sorted(path for floor in ("indexer", "node", "api") for path in (ROOT / floor).rglob("*.sql"))


async def test_every_statement__migrated_schema__can_be_prepared(database_url: str) -> None:
    faults = []
    statements = 0
    db = await connect(database_url)
    for path in FILES:
        for name, statement in parse(path.read_text()).items():
            statements += 1
            try:
                await db.prepare(statement)
            except asyncpg.PostgresError as error:
                faults.append(f"{path.relative_to(ROOT)}: {name}: {error}")
    await db.close()

    assert faults == []
    assert statements > 10


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_sql_file__stands_beside_its_caller(path: Path) -> None:
    callers = [path.with_suffix(".py"), path.parent.with_suffix(".py"), path.parent.parent / "projections.py"]
    assert any(caller.exists() for caller in callers), f"no module loads {path.relative_to(ROOT)}"
