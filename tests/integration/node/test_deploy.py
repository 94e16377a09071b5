"""Deployment on a real chain: complete, verified, idempotent, and refused where something is not as it should be."""

import asyncio
from pathlib import Path

import pytest

from contracts.abi import CONTRACTS, encode_call
from contracts.addresses import Deployment
from contracts.typed_data import address_of, checksum
from indexer.errors import RpcUnavailable, WrongChain
from node.deploy import DeploymentMismatch, Parameters, Progress, deploy
from node.deploy.account import DeploymentFailed
from node.deploy.choices import PowersTogether
from node.wallet import DevKeyRefused
from tests.integration.conftest import AnvilChain, RpcError
from tests.integration.node.deploying import (
    DEPLOYER,
    KEY,
    OPERATOR,
    TRANSACTIONS,
    ask,
    check,
    creations,
    node_that,
    nonce,
)

pytestmark = pytest.mark.integration

ANVIL_KEY = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
SOMEBODY = b"\x01" * 20
TREASURER = 4
GUARDIAN = 3


@pytest.fixture
def chain(anvil: AnvilChain) -> AnvilChain:
    anvil.rpc("anvil_setBalance", ["0x" + DEPLOYER.hex(), hex(10**20)])
    return anvil


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deployment.json"


def send(chain: AnvilChain, sender: bytes, to: bytes, data: bytes) -> None:
    chain.rpc("anvil_impersonateAccount", ["0x" + sender.hex()])
    chain.rpc("anvil_setBalance", ["0x" + sender.hex(), hex(10**20)])
    chain.rpc("eth_sendTransaction", [{"from": "0x" + sender.hex(), "to": "0x" + to.hex(), "data": "0x" + data.hex()}])


def forget(path: Path) -> None:
    path.unlink()


def written(path: Path) -> bool:
    return path.exists()


async def test_deploy__empty_chain__everything_stands_and_is_handed_over(chain: AnvilChain, path: Path) -> None:
    told: list[Progress] = []
    deployment = await deploy(chain.url, chain.chain_id, KEY, OPERATOR, path, progress=told.append)
    assert Deployment.load(path) == deployment
    assert nonce(chain) == TRANSACTIONS
    assert creations(chain) == list(deployment.addresses.values())
    check(chain, deployment)
    manager = checksum(deployment.address("GridtraceAccessManager"))
    assert str(told[0]).startswith(f"1/{TRANSACTIONS} created GridtraceAccessManager at {manager}, about ")
    assert [(report.done, report.total) for report in told] == [(i + 1, TRANSACTIONS) for i in range(TRANSACTIONS)]
    for contract, function, arguments in (
        ("ParticipantRegistry", "setParticipant", (SOMEBODY, 2**40, 3, 276)),
        ("ParticipantRegistry", "setMeter", (1, SOMEBODY, 1, True, b"\x02" * 20, bytes(32))),
        ("PaymentToken", "mint", (SOMEBODY, 5)),
        ("ProductionLedger", "attest", (1, 0, bytes(32), b"")),
        ("SettlementExchange", "pause", ()),
        ("Certificates", "setIssuer", (SOMEBODY, 1)),
        ("StakingPools", "addPool", (500, 86_400, 10**18, 10**24)),
    ):
        call = {
            "from": "0x" + OPERATOR.hex(),
            "to": "0x" + deployment.address(contract).hex(),
            "data": "0x" + encode_call(contract, function, *arguments).hex(),
        }
        chain.rpc("eth_call", [call, "latest"])
        with pytest.raises(RpcError):
            chain.rpc("eth_call", [{**call, "from": "0x" + DEPLOYER.hex()}, "latest"])


async def test_deploy__choices__recorded_and_read_back(chain: AnvilChain, path: Path) -> None:
    guardian, treasury = b"\x0c" * 20, b"\x0d" * 20
    chosen = Parameters(slot_s=300, voting_period_s=1_200, timelock_delay_s=9_000, zones=((1, "DE-LU"), (2, "CH")))
    holders = {"guardian": guardian}
    deployment = await deploy(
        chain.url, chain.chain_id, KEY, OPERATOR, path, parameters=chosen, treasury=treasury, holders=holders
    )
    assert ask(chain, deployment, "SettlementExchange", "slotSeconds") == (300,)
    assert ask(chain, deployment, "TraceGovernor", "votingPeriod") == (1_200,)
    assert ask(chain, deployment, "GridtraceTimelock", "getMinDelay") == (9_000,)
    assert ask(chain, deployment, "ParticipantRegistry", "zoneCode", 2) == (b"CH".ljust(32, b"\0"),)
    assert ask(chain, deployment, "TraceToken", "balanceOf", treasury) == (chosen.trace_supply,)
    assert ask(chain, deployment, "GridtraceAccessManager", "hasRole", GUARDIAN, guardian) == (True, 0)
    assert ask(chain, deployment, "GridtraceAccessManager", "hasRole", GUARDIAN, OPERATOR) == (False, 0)
    recorded = Deployment.load(path).parameters
    assert recorded["zones"] == {"1": "DE-LU", "2": "CH"}
    assert recorded["roles"]["guardian"] == checksum(guardian)
    assert recorded["trace_supply"] == str(chosen.trace_supply)
    assert recorded["treasury"] == checksum(treasury)


async def test_deploy__second_run__sends_nothing(chain: AnvilChain, path: Path) -> None:
    first = await deploy(chain.url, chain.chain_id, KEY, OPERATOR, path)
    assert await deploy(chain.url, chain.chain_id, KEY, OPERATOR, path) == first
    assert nonce(chain) == TRANSACTIONS


@pytest.mark.parametrize("lost", ["deployment.json", "deployment.json.state"])
async def test_deploy__one_file_lost__found_again(chain: AnvilChain, path: Path, lost: str) -> None:
    first = await deploy(chain.url, chain.chain_id, KEY, OPERATOR, path)
    forget(path.with_name(lost))
    assert await deploy(chain.url, chain.chain_id, KEY, OPERATOR, path) == first
    assert nonce(chain) == TRANSACTIONS


async def test_deploy__after_votes_changed_roles__still_the_same_deployment(chain: AnvilChain, path: Path) -> None:
    first = await deploy(chain.url, chain.chain_id, KEY, OPERATOR, path)
    grant = encode_call("GridtraceAccessManager", "grantRole", TREASURER, SOMEBODY, 0)
    send(chain, first.address("GridtraceTimelock"), first.address("GridtraceAccessManager"), grant)
    assert await deploy(chain.url, chain.chain_id, KEY, OPERATOR, path) == first


@pytest.mark.parametrize("again", ["finished", "begun"])
async def test_deploy__other_choices__refused_before_anything_is_sent(
    chain: AnvilChain, path: Path, again: str
) -> None:
    await deploy(chain.url, chain.chain_id, KEY, OPERATOR, path)
    if again == "begun":
        forget(path)
    with pytest.raises(DeploymentMismatch, match="slot_s is 900, not 300"):
        await deploy(chain.url, chain.chain_id, KEY, OPERATOR, path, parameters=Parameters.of_devnet(slot_s=300))
    with pytest.raises(DeploymentMismatch, match="operator is 0x0B0b"):
        await deploy(chain.url, chain.chain_id, KEY, b"\x0c" * 20, path)
    assert nonce(chain) == TRANSACTIONS


async def test_deploy__other_code_at_an_address__refused(chain: AnvilChain, path: Path) -> None:
    first = await deploy(chain.url, chain.chain_id, KEY, OPERATOR, path)
    escrow = "0x" + first.address("Escrow").hex()
    code = bytearray.fromhex(chain.rpc("eth_getCode", [escrow, "latest"])[2:])
    code[100] ^= 1
    chain.rpc("anvil_setCode", [escrow, "0x" + code.hex()])
    with pytest.raises(DeploymentMismatch, match=r"Escrow at 0x\w+ is another contract"):
        await deploy(chain.url, chain.chain_id, KEY, OPERATOR, path)


async def test_deploy__roles_other_than_asked__refused_at_the_end(chain: AnvilChain, path: Path) -> None:
    first = await deploy(chain.url, chain.chain_id, KEY, OPERATOR, path)
    forget(path)
    unpause = encode_call("SettlementExchange", "unpause")[:4]
    for function, arguments, found in (
        ("grantRole", (0, SOMEBODY, 0), "holds role 0"),
        ("grantRole", (TREASURER, SOMEBODY, 0), "holds role 4"),
        ("grantRole", (77, SOMEBODY, 0), "holds role 77"),
        ("revokeRole", (TREASURER, OPERATOR), r"hasRole\(4, "),
        ("setRoleGuardian", (TREASURER, 1), "has logged RoleGuardianChanged"),
        (
            "setTargetFunctionRole",
            (first.address("SettlementExchange"), [unpause], GUARDIAN),
            r"unpause\(\) needs role 3, not 0",
        ),
    ):
        before = chain.rpc("evm_snapshot")
        data = encode_call("GridtraceAccessManager", function, *arguments)
        send(chain, first.address("GridtraceTimelock"), first.address("GridtraceAccessManager"), data)
        with pytest.raises(DeploymentMismatch, match=found):
            await deploy(chain.url, chain.chain_id, KEY, OPERATOR, path)
        assert not written(path)
        chain.rpc("evm_revert", [before])
    assert await deploy(chain.url, chain.chain_id, KEY, OPERATOR, path) == first


async def test_deploy__chain_replaced__deployed_anew(
    chain: AnvilChain, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await deploy(chain.url, chain.chain_id, KEY, OPERATOR, path)
    chain.rpc("anvil_reset")
    chain.rpc("anvil_setBalance", ["0x" + DEPLOYER.hex(), hex(10**20)])
    check(chain, await deploy(chain.url, chain.chain_id, KEY, OPERATOR, path))


async def test_deploy__account_used_in_between__refused(chain: AnvilChain, path: Path) -> None:
    died = asyncio.Event()

    def sends() -> tuple[bool, bool]:
        died.set()
        return False, False

    async with node_that(chain, sends) as url:
        run = asyncio.create_task(deploy(url, chain.chain_id, KEY, OPERATOR, path))
        await died.wait()
        run.cancel()
        await asyncio.wait([run])
    chain.rpc("anvil_setNonce", ["0x" + DEPLOYER.hex(), "0x3"])
    with pytest.raises(DeploymentFailed, match="with nonce 0, the deployer is at 3"):
        await deploy(chain.url, chain.chain_id, KEY, OPERATOR, path)


async def test_deploy__first_of_a_wave_lost__sent_again_once(chain: AnvilChain, path: Path) -> None:
    """A node that forgets: one transaction is gone, and those behind it wait in the pool for its nonce."""
    sent = 0

    def sends() -> tuple[bool, bool]:
        nonlocal sent
        sent += 1
        return sent != 3, sent < 6

    async with node_that(chain, sends) as url:
        run = asyncio.create_task(deploy(url, chain.chain_id, KEY, OPERATOR, path))
        while sent < 6:
            await asyncio.sleep(0.01)
        run.cancel()
        await asyncio.wait([run])
    deployment = await deploy(chain.url, chain.chain_id, KEY, OPERATOR, path)
    assert creations(chain) == list(deployment.addresses.values())
    assert len(deployment.addresses) == len(CONTRACTS)
    check(chain, deployment)


async def test_deploy__no_money__refused_before_anything_is_created(anvil: AnvilChain, path: Path) -> None:
    with pytest.raises(DeploymentFailed, match=r"has \d+ wei|create"):
        await deploy(anvil.url, anvil.chain_id, KEY, OPERATOR, path)
    assert nonce(anvil) == 0


async def test_deploy__money_for_some_of_it__refused_before_anything_is_created(chain: AnvilChain, path: Path) -> None:
    chain.rpc("anvil_setBalance", ["0x" + DEPLOYER.hex(), hex(10**16)])
    with pytest.raises(DeploymentFailed, match=r"has 10000000000000000 wei, and the next transactions may cost \d+"):
        await deploy(chain.url, chain.chain_id, KEY, OPERATOR, path)
    assert nonce(chain) == 0


async def test_deploy__wrong_chain_or_no_node__refused(anvil: AnvilChain, path: Path) -> None:
    with pytest.raises(WrongChain, match="31337, not 5"):
        await deploy(anvil.url, 5, KEY, OPERATOR, path, treasury=DEPLOYER, holders={"guardian": DEPLOYER})
    with pytest.raises(PowersTogether):
        await deploy(anvil.url, 5, KEY, OPERATOR, path)
    with pytest.raises(RpcUnavailable):
        await deploy("http://127.0.0.1:9", 31_337, KEY, OPERATOR, path)
    with pytest.raises(DevKeyRefused):
        await deploy(anvil.url, 5, ANVIL_KEY, OPERATOR, path, treasury=DEPLOYER, holders={"guardian": DEPLOYER})
    assert address_of(KEY) == DEPLOYER
