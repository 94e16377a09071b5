from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.rest.slots import state_of
from indexer.config import Environment
from node.config import MarketRules, NodeConfig

START = datetime(2026, 6, 21, 12, tzinfo=UTC)


def rules() -> MarketRules:
    config = NodeConfig.read(Environment({}))
    return config.market


def row(**fields: Any) -> dict[str, Any]:
    return {"delivery_start": START, "settlement_state": None, "auctioned": False, **fields}


@pytest.mark.parametrize(
    ("minutes", "fields", "state"),
    [
        (-66, {}, "upcoming"),
        (-65, {}, "open"),
        (-6, {}, "open"),
        (-5, {}, "closed"),
        (-5, {"auctioned": True}, "cleared"),
        (0, {"auctioned": True}, "delivering"),
        (14, {"auctioned": True}, "delivering"),
        (15, {"auctioned": True}, "metering"),
        (16, {"auctioned": True, "settlement_state": "attested"}, "attested"),
        (30, {"auctioned": True, "settlement_state": "settled"}, "settled"),
    ],
)
def test_state__along_a_slots_life__is_named(minutes: int, fields: dict[str, Any], state: str) -> None:
    assert state_of(row(**fields), rules(), START + timedelta(minutes=minutes)) == state
