"""Every named statement in the product is valid against the migrated schema."""

from pathlib import Path

import asyncpg
import pytest

from contracts.abi import ARTIFACTS, artifact
from indexer import facts, standards, state, templates
from indexer.db import connect, parse
from indexer.manifest import Contract, Manifest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path
    for floor in ("indexer", "node", "api")
    for path in (ROOT / floor).rglob("*.sql")
    if path.parent.name != "templates"
)
TEMPLATES = sorted((ROOT / "indexer" / "projections" / "templates").glob("*.sql"))


async def test_every_statement__migrated_schema__can_be_prepared(database_url: str) -> None:
    faults = []
    statements = 0
    db = await connect(database_url)
    contracts = tuple(Contract(name, bytes([n]) * 20, artifact(name).abi) for n, name in enumerate(ARTIFACTS))
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


async def test_every_template__filled_for_a_contract__can_be_prepared(database_url: str) -> None:
    tokens = tuple(Contract(name, bytes([n]) * 20, abi) for n, (name, abi) in enumerate(standards.ABIS.items()))
    manifest = Manifest(chain_id=31337, start_block=0, contracts=tokens)
    db = await connect(database_url)
    await facts.ensure(db, manifest)
    await facts.index_keys(db, manifest)
    projections = templates.of(manifest)
    for projection in projections:
        statements = [projection.fold, projection.touched, projection.clear]
        if projection.gathering:
            await db.execute(projection.gathering.stage)
            statements.append(projection.gathering.merge)
        for statement in statements:
            assert statement is not None
            await db.prepare(statement)
    await db.close()
    assert [path.stem for path in TEMPLATES] == sorted(standards.ABIS)
    assert len(projections) == len(TEMPLATES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_sql_file__stands_beside_its_caller(path: Path) -> None:
    if path.parent.name == "projections":
        assert path.stem in {projection.name for projection in state.shipped()}
    else:
        assert path.with_suffix(".py").exists(), f"no module loads {path.relative_to(ROOT)}"
