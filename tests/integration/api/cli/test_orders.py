"""``gridtrace order`` as a trader types it, against the running API."""

import sys
from pathlib import Path
from typing import Any

import pytest

from api.cli.orders import NOTHING_TRADED, STILL_OPEN
from node.config import MarketRules
from tests.integration.api.conftest import (
    ALICE_KEY,
    BOB_KEY,
    ZONE,
    Market,
    api_config,
    clear_account,
    environment,
    market,
)
from tests.integration.api.test_published_auction import SLOT, close_gate, run, url

__all__ = ["environment", "market", "url"]

pytestmark = pytest.mark.integration


class Trader:
    """Types commands with a key of his own."""

    def __init__(self, folder: Path, name: str, key: bytes, url: str) -> None:
        path = folder / name
        path.write_text("0x" + key.hex())
        path.chmod(0o600)
        self._options = ("--key-file", str(path), "--url", url, "--json")

    async def __call__(self, command: str, *words: str) -> tuple[int, Any]:
        return await run(sys.executable, "-m", "api.cli.main", "order", command, *words, *self._options)


@pytest.fixture
def rules(tmp_path: Path) -> MarketRules:
    return api_config(tmp_path, "postgresql://nowhere", "redis://nowhere").node.market


async def test_order__a_traders_day__every_command_says_what_became_of_it(
    market: Market, rules: MarketRules, url: str, tmp_path: Path
) -> None:
    await clear_account(market, ALICE_KEY, meter_id=1)
    await clear_account(market, BOB_KEY, meter_id=2)
    alice, bob = Trader(tmp_path, "alice", ALICE_KEY, url), Trader(tmp_path, "bob", BOB_KEY, url)
    zone = ("--zone", str(ZONE))

    code, (placed,) = await alice("post", "buy", "900", "300000", SLOT, *zone, "--min-fill-wh", "400", "--lane", "1")
    assert (code, placed["status"], placed["min_fill_wh"]) == (0, "open", 400)
    code, (newer,) = await alice("replace", placed["order_id"], "--energy-wh", "800", "--limit", "310000")
    assert (code, newer["energy_wh"], newer["min_fill_wh"], newer["lane"]) == (0, 800, 400, 1)
    assert newer["replaces"] == placed["order_id"]
    assert newer["limit_price_per_kwh"] == 310_000
    code, refusal = await alice("replace", placed["order_id"], "--limit", "320000")
    assert code == 1
    assert "replace" in refusal["complaint"]

    _, (gone,) = await alice("post", "buy", "100", "300000", SLOT, *zone, "--lane", "2")
    code, listed = await alice("list", "--slot", SLOT, "--status", "open")
    assert (code, [order["order_id"] for order in listed]) == (0, [gone["order_id"], newer["order_id"]])
    code, (cancelled,) = await alice("cancel", gone["order_id"])
    assert (code, cancelled["state"]) == (0, "cancelled")
    assert (await alice("follow", gone["order_id"]))[0] == NOTHING_TRADED
    assert (await alice("follow", newer["order_id"], "--timeout", "0"))[0] == STILL_OPEN
    code, refused = await bob("cancel", newer["order_id"])
    assert (code, refused[0]["code"]) == (1, "order-not-found")

    for lane in ("1", "2", "3"):
        await bob("post", "sell", "300", "90000", SLOT, *zone, "--lane", lane)
    code, all_of_them = await bob("cancel", "--all", "--slot", SLOT)
    assert (code, len(all_of_them)) == (0, 3)
    await bob("post", "sell", "600", "90000", SLOT, *zone, "--lane", "4")

    await close_gate(market, rules)
    code, followed = await alice("follow", newer["order_id"])
    assert (code, followed["status"], followed["matched_wh"]) == (0, "matched", 600)
    code, shown = await bob("show", newer["order_id"])
    assert (code, shown["order_id"], shown["status"]) == (0, newer["order_id"], "matched")


@pytest.mark.parametrize("words", [(), ("--all", "0x00"), ("0x00", "--slot", SLOT)])
async def test_cancel__neither_orders_nor_all__is_wrong_usage(words: tuple[str, ...], tmp_path: Path) -> None:
    code, told = await Trader(tmp_path, "alice", ALICE_KEY, "http://127.0.0.1:1")("cancel", *words)

    assert code == 2
    assert "(config-invalid)" in told["complaint"]
