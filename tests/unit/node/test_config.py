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
    assert config.signer.operator_key_file == Path("operator.key")


def test_from_environment__contradicting_prices__names_both_pairs() -> None:
    with pytest.raises(ConfigError, match=r"PRICE_MIN.*PRICE_LONG"):
        NodeConfig.from_environment(
            GOOD | {"GRIDTRACE_PRICE_MIN_PER_KWH": "5000000", "GRIDTRACE_PRICE_LONG_PER_KWH": "400000"}
        )


@pytest.mark.parametrize("slot_s", ["0", "-900", "7", "5400", "quarter"])
def test_from_environment__slot_that_does_not_divide_an_hour__is_refused(slot_s: str) -> None:
    with pytest.raises(ConfigError, match="GRIDTRACE_SLOT_S"):
        NodeConfig.from_environment(GOOD | {"GRIDTRACE_SLOT_S": slot_s})


def test_from_environment__day_ahead_gate__is_a_time_of_day() -> None:
    config = NodeConfig.from_environment(GOOD | {"GRIDTRACE_DAY_AHEAD_GATE": "12:05"})

    assert config.market.day_ahead_gate_s == 12 * 3_600 + 5 * 60
    assert NodeConfig.from_environment(GOOD).market.day_ahead_gate_s is None


@pytest.mark.parametrize("text", ["noon", "12", "24:00", "12:60", "-1:00", "12:0x", ":"])
def test_from_environment__day_ahead_gate_that_is_no_time__is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="GRIDTRACE_DAY_AHEAD_GATE"):
        NodeConfig.from_environment(GOOD | {"GRIDTRACE_DAY_AHEAD_GATE": text})


def test_from_environment__day_ahead_with_continuous_trading__is_refused() -> None:
    both = {"GRIDTRACE_DAY_AHEAD_GATE": "12:00", "GRIDTRACE_TRADING": "continuous"}
    with pytest.raises(ConfigError, match="GRIDTRACE_DAY_AHEAD_GATE needs GRIDTRACE_TRADING to be auction"):
        NodeConfig.from_environment(GOOD | both)


def test_from_environment__areas__is_a_path() -> None:
    config = NodeConfig.from_environment(GOOD | {"GRIDTRACE_AREAS": "areas.toml"})

    assert config.areas_file == Path("areas.toml")


@pytest.mark.parametrize(
    ("signer", "missing"),
    [
        ("file", "GRIDTRACE_OPERATOR_KEY_FILE is not set"),
        ("web3signer", "GRIDTRACE_SIGNER_URL"),
        ("rpc", "GRIDTRACE_SIGNER_URL"),
        ("aws-kms", "GRIDTRACE_SIGNER_KEY_ID.*GRIDTRACE_SIGNER_REGION.*GRIDTRACE_SIGNER_CREDENTIALS_FILE"),
        ("hsm", "must be file, web3signer, rpc or aws-kms"),
    ],
)
def test_from_environment__signer_without_its_settings__names_them(signer: str, missing: str) -> None:
    settings = {name: value for name, value in GOOD.items() if name != "GRIDTRACE_OPERATOR_KEY_FILE"}
    with pytest.raises(ConfigError, match=missing):
        NodeConfig.from_environment(settings | {"GRIDTRACE_SIGNER": signer})


def test_from_environment__money_without_a_file_for_the_day__is_refused() -> None:
    with pytest.raises(ConfigError, match="needs GRIDTRACE_SIGNER_DAY_FILE"):
        NodeConfig.from_environment(GOOD | {"GRIDTRACE_SIGNER_VALUE_PER_DAY": "1"})


@pytest.mark.parametrize("fault", [{"URL": "ftp://x"}, {"REGION": "eu.evil.example/"}, {"TIMEOUT_S": "inf"}])
def test_from_environment__signer_setting_of_another_kind__is_refused(fault: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="GRIDTRACE_SIGNER_"):
        NodeConfig.from_environment(GOOD | {f"GRIDTRACE_SIGNER_{name}": value for name, value in fault.items()})
