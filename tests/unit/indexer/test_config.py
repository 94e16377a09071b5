"""Configuration: every fault is reported, together; secrets come from files and are never repeated."""

from pathlib import Path

import pytest

from indexer.clock import SimulatedClock
from indexer.config import IndexerConfig
from indexer.errors import ConfigError

GOOD = {
    "DATABASE_URL": "postgresql://u:p@127.0.0.1:5432/d",
    "RPC_URL": "http://127.0.0.1:8545, http://127.0.0.1:8546",
    "GRIDTRACE_CHAIN_ID": "31337",
    "GRIDTRACE_DEPLOYMENT": "deployment.json",
}


def test_from_environment__all_set__is_a_frozen_value() -> None:
    config = IndexerConfig.from_environment(GOOD)

    assert config.rpc_urls == ("http://127.0.0.1:8545", "http://127.0.0.1:8546")
    assert config.chain_id == 31337
    assert config.clock == SimulatedClock()
    with pytest.raises(AttributeError):
        config.chain_id = 1  # type: ignore[misc]


def test_from_environment__many_faults__names_all_of_them() -> None:
    with pytest.raises(ConfigError) as caught:
        IndexerConfig.from_environment(
            {"RPC_URL": "localhost", "GRIDTRACE_CHAIN_ID": "-1", "GRIDTRACE_CLOCK": "noon", "GRIDTRACE_DEPLOYMENT": ""}
        )

    for name in ("DATABASE_URL", "RPC_URL", "GRIDTRACE_CHAIN_ID", "GRIDTRACE_CLOCK", "GRIDTRACE_DEPLOYMENT"):
        assert name in str(caught.value)


def test_secret__file__is_read_and_stripped(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://from-file\n")

    config = IndexerConfig.from_environment(GOOD | {"DATABASE_URL": "", "DATABASE_URL_FILE": str(file)})

    assert config.database_url == "postgresql://from-file"


def test_secret__missing_file__is_a_fault_that_names_the_file_only(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="DATABASE_URL_FILE"):
        IndexerConfig.from_environment(GOOD | {"DATABASE_URL_FILE": str(tmp_path / "none")})
