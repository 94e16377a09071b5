"""The node's configuration: contradicting market rules are refused, all of them at once."""

from pathlib import Path

import pytest

from indexer.errors import ConfigError
from node.config import NodeConfig

GOOD = {
    "DATABASE_URL": "postgresql://u:p@127.0.0.1:5432/d",
    "RPC_URL": "http://127.0.0.1:8545",
    "GRIDTRACE_CHAIN_ID": "31337",
    "GRIDTRACE_DEPLOYMENT": "deployment.json",
    "REDIS_URL": "redis://127.0.0.1:6379",
    "GRIDTRACE_OPERATOR": "0x" + "11" * 20,
    "GRIDTRACE_GRID_ACCOUNT": "0x" + "22" * 20,
    "GRIDTRACE_OPERATOR_KEY_FILE": "operator.key",
    "GRIDTRACE_GATEWAY_KEY_FILE": "gateway.key",
    "GRIDTRACE_READINGS_SALT_FILE": "salt",
    "GRIDTRACE_ZONES": "2,1,2",
}


def test_from_environment__all_set__is_read() -> None:
    config = NodeConfig.from_environment(GOOD)

    assert config.zones == (1, 2)
    assert config.operator == b"\x11" * 20
    assert config.mqtt_url is None
    assert config.operator_key_file == Path("operator.key")


def test_from_environment__contradicting_prices__names_both_pairs() -> None:
    with pytest.raises(ConfigError, match=r"PRICE_MIN.*PRICE_LONG"):
        NodeConfig.from_environment(
            GOOD | {"GRIDTRACE_PRICE_MIN_PER_KWH": "5000000", "GRIDTRACE_PRICE_LONG_PER_KWH": "400000"}
        )


@pytest.mark.parametrize("slot_s", ["0", "-900", "7", "5400", "quarter"])
def test_from_environment__slot_that_does_not_divide_an_hour__is_refused(slot_s: str) -> None:
    with pytest.raises(ConfigError, match="GRIDTRACE_SLOT_S"):
        NodeConfig.from_environment(GOOD | {"GRIDTRACE_SLOT_S": slot_s})
