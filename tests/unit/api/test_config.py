import pytest

from api.config import ApiConfig
from indexer.errors import ConfigError

ADDRESS = "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045"
COMPLETE = {
    "DATABASE_URL": "postgresql://localhost/x",
    "REDIS_URL": "redis://localhost",
    "RPC_URL": "http://localhost:1",
    "GRIDTRACE_CHAIN_ID": "31337",
    "GRIDTRACE_DEPLOYMENT": "/x",
    "GRIDTRACE_OPERATOR": ADDRESS,
    "GRIDTRACE_GRID_ACCOUNT": ADDRESS,
    "GRIDTRACE_OPERATOR_KEY_FILE": "/x",
    "GRIDTRACE_GATEWAY_KEY_FILE": "/x",
    "GRIDTRACE_READINGS_SALT_FILE": "/x",
}


def test_config__complete__has_safe_defaults() -> None:
    config = ApiConfig.from_environment(COMPLETE)
    assert (config.host, config.devnet, config.operators) == ("127.0.0.1", False, frozenset())
    assert config.public_url == "http://127.0.0.1:8600"
    assert (config.domain, config.secure) == ("127.0.0.1:8600", False)


def test_config__public_url__gives_domain_and_tls() -> None:
    config = ApiConfig.from_environment(COMPLETE | {"GRIDTRACE_PUBLIC_URL": "https://market.example/"})
    assert (config.public_url, config.domain, config.secure) == ("https://market.example", "market.example", True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GRIDTRACE_PORT", "0"),
        ("GRIDTRACE_PUBLIC_URL", "market.example"),
        ("GRIDTRACE_PUBLIC_URL", "https://market.example/path"),
        ("GRIDTRACE_OPERATORS", "0x12"),
        ("GRIDTRACE_DEVNET", "perhaps"),
    ],
)
def test_config__faulty_setting__is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        ApiConfig.from_environment(COMPLETE | {name: value})


def test_config__ipfs_without_a_folder__is_refused() -> None:
    shared = COMPLETE | {"IPFS_API_URL": "http://127.0.0.1:5001"}
    with pytest.raises(ConfigError, match="legal papers stay on this machine"):
        ApiConfig.from_environment(shared)
    assert ApiConfig.from_environment(shared | {"GRIDTRACE_DOCUMENTS_DIR": "/x"}).ipfs_api_url


def test_config__devnet_on_another_chain__is_refused() -> None:
    assert ApiConfig.from_environment(COMPLETE | {"GRIDTRACE_DEVNET": "1"}).devnet
    with pytest.raises(ConfigError, match="chain 100 is no development chain"):
        ApiConfig.from_environment(COMPLETE | {"GRIDTRACE_DEVNET": "1", "GRIDTRACE_CHAIN_ID": "100"})
