"""The same deployment against another EVM node: geth, where there is one on the PATH."""

import asyncio
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.devnet.process import free_port
from contracts.addresses import Deployment
from node.deploy import deploy
from tests.integration.conftest import RpcError
from tests.integration.node.deploying import DEPLOYER, KEY, OPERATOR, TRANSACTIONS, Chain, check, creations, nonce

pytestmark = pytest.mark.integration

STARTED_S = 30


class GethChain:
    """``geth --dev``: mines a block whenever there is a transaction."""

    chain_id = 1_337

    def __init__(self, url: str) -> None:
        self.url = url

    def rpc(self, method: str, params: list[Any] | None = None) -> Any:
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or []}
        answer = httpx.post(self.url, json=call, timeout=10).json()
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]


@pytest.fixture
def geth(tmp_path: Path) -> Iterator[GethChain]:
    binary = shutil.which("geth")
    if binary is None:
        pytest.skip("no geth on the PATH (https://geth.ethereum.org): anvil alone was tried")
    port = free_port()
    options = [
        "--dev",
        "--datadir",
        tmp_path / "geth",
        "--ipcdisable",
        "--nodiscover",
        "--maxpeers",
        "0",
        "--port",
        "0",
    ]
    listening = ["--http", "--http.port", port, "--authrpc.port", free_port()]
    with (tmp_path / "geth.log").open("w") as log:
        process = subprocess.Popen([binary, *map(str, [*options, *listening])], stdout=log, stderr=log)
    try:
        chain = GethChain(f"http://127.0.0.1:{port}")
        wait_for(chain, process)
        (rich,) = chain.rpc("eth_accounts")
        chain.rpc("eth_sendTransaction", [{"from": rich, "to": "0x" + DEPLOYER.hex(), "value": hex(10**20)}])
        wait_until_funded(chain)
        yield chain
    finally:
        process.terminate()
        process.wait(20)


def wait_for(chain: GethChain, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + STARTED_S
    while time.monotonic() < end and process.poll() is None:
        try:
            chain.rpc("eth_chainId")
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("geth did not start")


def wait_until_funded(chain: Chain) -> None:
    end = time.monotonic() + STARTED_S
    while int(chain.rpc("eth_getBalance", ["0x" + DEPLOYER.hex(), "latest"]), 16) == 0:
        assert time.monotonic() < end, "the deployer's money did not arrive"
        time.sleep(0.1)


@pytest.mark.timeout(300)
async def test_deploy__on_geth__the_same_as_on_anvil(geth: GethChain, tmp_path: Path) -> None:
    path = tmp_path / "deployment.json"
    deployment = await deploy(geth.url, geth.chain_id, KEY, OPERATOR, path)
    assert await asyncio.to_thread(Deployment.load, path) == deployment
    assert nonce(geth) == TRANSACTIONS
    assert creations(geth) == list(deployment.addresses.values())
    check(geth, deployment)
    assert await deploy(geth.url, geth.chain_id, KEY, OPERATOR, path) == deployment
    assert nonce(geth) == TRANSACTIONS
