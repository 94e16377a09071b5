"""A short form of every soak; the long one is ``python -m scripts.soak``."""

import os
from pathlib import Path

import pytest

from scripts.soak import dying, meter_kill, outbox_kill
from scripts.soak.table import Row
from tests.integration.conftest import AnvilChain

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

DEEP = bool(os.environ.get("GRIDTRACE_DEEP"))
KILLS = 100 if DEEP else 1
SLOTS = 100


@pytest.fixture(autouse=True)
def preloaded() -> None:
    dying.preload(["scripts.soak.outbox_kill", "scripts.soak.meter_kill", *["scripts.soak.processes"] * DEEP])


def assert_clean(rows: list[Row], count: int) -> None:
    assert len(rows) == count
    assert {row.times for row in rows} == {KILLS}
    assert [row for row in rows if not row.is_clean] == []


async def test_outbox__killed_at_each_step__every_effect_is_there_once(database_url: str, anvil: AnvilChain) -> None:
    rows = await outbox_kill.Kills(database_url, anvil.url).run(KILLS, lambda _: None)
    assert_clean(rows, 15)


async def test_meter_pipeline__killed_at_each_step__nothing_acknowledged_is_lost_or_doubled(
    database_url: str, tmp_path: Path
) -> None:
    rows = await meter_kill.Kills(database_url, tmp_path / "buffer").run(KILLS, lambda _: None)
    assert_clean(rows, len(meter_kill.STEPS))


@pytest.mark.skipif(not DEEP, reason="GRIDTRACE_DEEP is not set")
@pytest.mark.timeout(3_600)
async def test_slots__everything_fails_that_can__no_difference(tmp_path: Path) -> None:
    from scripts.soak.season import Season

    rows = await Season(tmp_path, 1, lambda _: None).run(SLOTS)
    assert rows[-1].times == SLOTS
    assert [row for row in rows if not row.is_clean] == []
