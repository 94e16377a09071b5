"""Deployment on a real chain: complete, idempotent, and resumed from wherever it was stopped."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession, web

from contracts.abi import CONTRACTS, decode_result, encode_call
from contracts.addresses import Deployment
from contracts.typed_data import address_of, checksum
from indexer.errors import RpcUnavailable, WrongChain
from node.deploy import DeploymentMismatch, Parameters, deploy
from node.deploy.account import DeploymentFailed
from node.wallet import DevKeyRefused
from tests.integration.conftest import AnvilChain

pytestmark = pytest.mark.integration

KEY = bytes.fromhex("8f2a559490f0b9f5c4b1e1d8a4c6a0b7d3e2f1a09b8c7d6e5f40312233445566")
ANVIL_KEY = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
DEPLOYER = address_of(KEY)
OPERATOR = b"\x0b" * 20
REGISTRAR = 1


@pytest.fixture
def chain(anvil: AnvilChain) -> AnvilChain:
    anvil.rpc("anvil_setBalance", ["0x" + DEPLOYER.hex(), hex(10**20)])
    return anvil


def nonce(chain: AnvilChain) -> int:
    return int(chain.rpc("eth_getTransactionCount", ["0x" + DEPLOYER.hex(), "latest"]), 16)


def ask(chain: AnvilChain, to: bytes, contract: str, function: str, *arguments: object) -> tuple[object, ...]:
    data = "0x" + encode_call(contract, function, *arguments).hex()
    answer = chain.rpc("eth_call", [{"to": "0x" + to.hex(), "data": data}, "latest"])
    return decode_result(contract, function, bytes.fromhex(answer[2:]))


def check_roles(chain: AnvilChain, deployment: Deployment, operator: bytes = OPERATOR) -> None:
    assert ask(chain, deployment.address("SettlementExchange"), "SettlementExchange", "isSettler", operator) == (True,)
    assert ask(chain, deployment.address("ProductionLedger"), "ProductionLedger", "isAttester", operator) == (True,)
    manager = deployment.address("GridtraceAccessManager")
    assert ask(chain, manager, "GridtraceAccessManager", "hasRole", REGISTRAR, operator) == (True, 0)


async def test_deploy__empty_chain__operator_can_do_his_work(chain: AnvilChain, tmp_path: Path) -> None:
    path = tmp_path / "deployment.json"
    lines: list[str] = []
    deployment = await deploy(chain.url, chain.chain_id, KEY, OPERATOR, path, progress=lines.append)
    assert tuple(deployment.addresses) == CONTRACTS
    assert Deployment.load(path) == deployment
    assert lines[0] == f"created GridtraceAccessManager at {checksum(deployment.address('GridtraceAccessManager'))}"
    check_roles(chain, deployment)
    for contract, function, arguments in (
        ("ParticipantRegistry", "setParticipant", (b"\x01" * 20, 2**40, 3, 276)),
        ("ParticipantRegistry", "setMeter", (1, b"\x01" * 20, 1, True, b"\x02" * 20, bytes(32))),
        ("PaymentToken", "mint", (b"\x01" * 20, 5)),
        ("ProductionLedger", "attest", (1, 0, bytes(32), b"")),
    ):
        call = {
            "from": "0x" + OPERATOR.hex(),
            "to": "0x" + deployment.address(contract).hex(),
            "data": "0x" + encode_call(contract, function, *arguments).hex(),
        }
        chain.rpc("eth_call", [call, "latest"])


async def test_deploy__second_run__sends_nothing(chain: AnvilChain, tmp_path: Path) -> None:
    path = tmp_path / "deployment.json"
    first = await deploy(chain.url, chain.chain_id, KEY, OPERATOR, path)
    sent = nonce(chain)
    assert await deploy(chain.url, chain.chain_id, KEY, OPERATOR, path) == first
    assert nonce(chain) == sent


@pytest.mark.parametrize("lost", ["deployment.json", "deployment.json.state"])
async def test_deploy__one_file_lost__found_again(chain: AnvilChain, tmp_path: Path, lost: str) -> None:
    path = tmp_path / "deployment.json"
    first = await deploy(chain.url, chain.chain_id, KEY, OPERATOR, path)
    sent = nonce(chain)
    (tmp_path / lost).unlink()
    assert await deploy(chain.url, chain.chain_id, KEY, OPERATOR, path) == first
    assert nonce(chain) == sent


async def test_deploy__other_operator__gets_his_roles_too(chain: AnvilChain, tmp_path: Path) -> None:
    path = tmp_path / "deployment.json"
    first = await deploy(chain.url, chain.chain_id, KEY, OPERATOR, path)
    other = b"\x0c" * 20
    assert await deploy(chain.url, chain.chain_id, KEY, other, path) == first
    check_roles(chain, first, other)


async def test_deploy__other_parameters__refused(chain: AnvilChain, tmp_path: Path) -> None:
    path = tmp_path / "deployment.json"
    await deploy(chain.url, chain.chain_id, KEY, OPERATOR, path)
    with pytest.raises(DeploymentMismatch, match="slotSeconds"):
        await deploy(chain.url, chain.chain_id, KEY, OPERATOR, path, parameters=Parameters(slot_s=300))


async def test_deploy__stopped_at_every_transaction__each_takes_effect_once(chain: AnvilChain, tmp_path: Path) -> None:
    path = tmp_path / "deployment.json"
    reference = chain.rpc("evm_snapshot")
    await deploy(chain.url, chain.chain_id, KEY, OPERATOR, tmp_path / "reference.json")
    whole = nonce(chain)
    chain.rpc("evm_revert", [reference])
    chain.rpc("evm_setAutomine", [False])
    async with blocks(chain):
        # Each transaction is tried twice: the first time it never leaves, the second time its answer never comes.
        assert all([await stopped(chain, path, forward=forward) for forward in [False, True] * whole])
        deployment = await deploy(chain.url, chain.chain_id, KEY, OPERATOR, path)
    assert nonce(chain) == whole
    check_roles(chain, deployment)


async def stopped(chain: AnvilChain, path: Path, *, forward: bool) -> bool:
    """Runs until its first transaction, which reaches the chain or not; False where a run needs none any more."""
    died = asyncio.Event()
    async with proxy(chain.url, died, forward=forward) as url:
        run = asyncio.create_task(deploy(url, chain.chain_id, KEY, OPERATOR, path))
        death = asyncio.create_task(died.wait())
        await asyncio.wait([run, death], return_when=asyncio.FIRST_COMPLETED)
        death.cancel()
        run.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await run
    return died.is_set()


@asynccontextmanager
async def proxy(url: str, died: asyncio.Event, *, forward: bool) -> AsyncIterator[str]:
    """A node whose answer to a transaction never comes."""
    async with ClientSession() as session:

        async def handle(request: web.Request) -> web.Response:
            body = await request.read()
            sending = b"eth_sendRawTransaction" in body
            answer = b""
            if forward or not sending:
                async with session.post(url, data=body, headers={"Content-Type": "application/json"}) as response:
                    answer = await response.read()
            if sending:
                died.set()
                await asyncio.sleep(5)
            return web.Response(body=answer, content_type="application/json")

        application = web.Application()
        application.router.add_post("/", handle)
        runner = web.AppRunner(application, shutdown_timeout=0.01)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        await runner.cleanup()


@asynccontextmanager
async def blocks(chain: AnvilChain) -> AsyncIterator[None]:
    """A block every tenth of a second, as on a development network with a clock of its own."""

    async def mine() -> None:
        while True:
            await asyncio.to_thread(chain.rpc, "evm_mine")
            await asyncio.sleep(0.1)

    task = asyncio.create_task(mine())
    try:
        yield
    finally:
        task.cancel()


async def test_deploy__chain_replaced__deployed_anew(
    chain: AnvilChain, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "deployment.json"
    await deploy(chain.url, chain.chain_id, KEY, OPERATOR, path)
    chain.rpc("anvil_reset")
    chain.rpc("anvil_setBalance", ["0x" + DEPLOYER.hex(), hex(10**20)])
    again = await deploy(chain.url, chain.chain_id, KEY, OPERATOR, path)
    check_roles(chain, again)


async def test_deploy__account_used_in_between__refused(chain: AnvilChain, tmp_path: Path) -> None:
    path = tmp_path / "deployment.json"
    assert await stopped(chain, path, forward=False)
    chain.rpc("anvil_setNonce", ["0x" + DEPLOYER.hex(), "0x3"])
    with pytest.raises(DeploymentFailed, match="with nonce 0, the deployer is at 3"):
        await deploy(chain.url, chain.chain_id, KEY, OPERATOR, path)


async def test_deploy__no_money__refused_before_anything_is_created(anvil: AnvilChain, tmp_path: Path) -> None:
    with pytest.raises(DeploymentFailed, match="create GridtraceAccessManager"):
        await deploy(anvil.url, anvil.chain_id, KEY, OPERATOR, tmp_path / "deployment.json")
    assert nonce(anvil) == 0


async def test_deploy__wrong_chain_or_no_node__refused(anvil: AnvilChain, tmp_path: Path) -> None:
    path = tmp_path / "deployment.json"
    with pytest.raises(WrongChain, match="31337, not 5"):
        await deploy(anvil.url, 5, KEY, OPERATOR, path)
    with pytest.raises(RpcUnavailable):
        await deploy("http://127.0.0.1:9", 31_337, KEY, OPERATOR, path)
    with pytest.raises(DevKeyRefused):
        await deploy(anvil.url, 5, ANVIL_KEY, OPERATOR, path)
