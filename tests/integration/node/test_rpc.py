"""JSON-RPC over several endpoints, of which some are away."""

import pytest

from indexer.errors import RpcUnavailable
from node.outbox import HttpRpc, RpcError
from tests.integration.conftest import AnvilChain

pytestmark = pytest.mark.integration

AWAY = "http://127.0.0.1:9/secret-access-key"


async def test_batch__refusal_among_results__in_its_place(anvil: AnvilChain) -> None:
    rpc = HttpRpc([anvil.url])
    first, refused, *rest = await rpc.batch(
        [("eth_chainId", ()), ("eth_fly", ()), *(("eth_chainId", ()) for _ in range(60))]
    )
    assert first == "0x7a69"
    assert rest == [first] * 60
    assert isinstance(refused, RpcError)
    assert refused.rpc_code == -32_601
    with pytest.raises(RpcError, match="eth_fly"):
        await rpc.call("eth_fly")
    await rpc.close()


async def test_call__first_endpoint_away__second_answers(anvil: AnvilChain) -> None:
    rpc = HttpRpc([AWAY, anvil.url])
    assert await rpc.call("eth_chainId") == "0x7a69"
    await rpc.close()


async def test_call__all_away__unavailable_without_access_key() -> None:
    rpc = HttpRpc([AWAY])
    with pytest.raises(RpcUnavailable, match=r"127\.0\.0\.1: ConnectError") as refusal:
        await rpc.call("eth_chainId")
    assert "secret" not in str(refusal.value)
    await rpc.close()


async def test_call__websocket_address__asked_over_http(anvil: AnvilChain) -> None:
    rpc = HttpRpc([anvil.url.replace("http", "ws", 1)])
    assert await rpc.call("eth_chainId") == "0x7a69"
    await rpc.close()


def test_init__no_address__refused() -> None:
    with pytest.raises(ValueError, match="no address"):
        HttpRpc([])
