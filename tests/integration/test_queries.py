"""Every named statement in the product is valid against the migrated schema."""

from pathlib import Path

import asyncpg
import pytest

from contracts.abi import CONTRACTS, artifact
from indexer import facts, state
from indexer.db import connect, parse
from indexer.manifest import Contract, Manifest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
FILES = sorted(path for floor in ("indexer", "node", "api") for path in (ROOT / floor).rglob("*.sql"))


async def test_every_statement__migrated_schema__can_be_prepared(database_url: str) -> None:
    faults = []
    statements = 0
    db = await connect(database_url)
    contracts = tuple(Contract(name, bytes([n]) * 20, artifact(name).abi) for n, name in enumerate(CONTRACTS))
    await facts.ensure(db, Manifest(chain_id=31337, start_block=0, contracts=contracts))
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
    if path.parent.name == "projections":
        assert path.stem in {projection.name for projection in state.shipped()}
    else:
        assert path.with_suffix(".py").exists(), f"no module loads {path.relative_to(ROOT)}"
