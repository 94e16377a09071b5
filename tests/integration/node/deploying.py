"""What the tests of the deployment share: the deployer, questions to the chain, and a node that lets him down."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import httpx
from aiohttp import ClientSession, web
from eth_hash.auto import keccak

from contracts.abi import CONTRACTS, artifact, decode_result, encode_call
from contracts.addresses import Deployment
from contracts.typed_data import address_of

KEY = bytes.fromhex("8f2a559490f0b9f5c4b1e1d8a4c6a0b7d3e2f1a09b8c7d6e5f40312233445566")
DEPLOYER = address_of(KEY)
OPERATOR = b"\x0b" * 20
TRANSACTIONS = 27
"""Contracts, seven calls to wire them, three to hand them over, two to give up the last roles."""
ANYONE = bytes(20)


class Chain(Protocol):
    """A chain for one test."""

    url: str

    def rpc(self, method: str, params: list[Any] | None = None) -> Any:
        """One JSON-RPC call."""
        ...


def nonce(chain: Chain, account: bytes = DEPLOYER) -> int:
    return int(chain.rpc("eth_getTransactionCount", ["0x" + account.hex(), "latest"]), 16)


def ask(chain: Chain, deployment: Deployment, contract: str, function: str, *arguments: object) -> Any:
    call = {
        "to": "0x" + deployment.address(contract).hex(),
        "data": "0x" + encode_call(contract, function, *arguments).hex(),
    }
    answer = chain.rpc("eth_call", [call, "latest"])
    return decode_result(contract, function, bytes.fromhex(answer[2:]))


def creations(chain: Chain) -> list[bytes]:
    """The address of every contract that a transaction of the chain has created, the oldest first."""
    head = int(chain.rpc("eth_blockNumber"), 16)
    blocks: list[Any] = []
    for first in range(0, head + 1, 100):
        numbers = range(first, min(first + 100, head + 1))
        calls = [
            {"jsonrpc": "2.0", "id": number, "method": "eth_getBlockByNumber", "params": [hex(number), True]}
            for number in numbers
        ]
        answers = httpx.post(chain.url, json=calls, timeout=30).json()
        blocks += [answer["result"] for answer in sorted(answers, key=lambda answer: answer["id"])]
    hashes = [sent["hash"] for block in blocks for sent in block["transactions"] if not sent.get("to")]
    receipts = [chain.rpc("eth_getTransactionReceipt", [found]) for found in hashes]
    assert all(receipt["status"] == "0x1" for receipt in receipts)
    return [bytes.fromhex(receipt["contractAddress"][2:]) for receipt in receipts]


def check(chain: Chain, deployment: Deployment, operator: bytes = OPERATOR) -> None:
    """Looks at the chain without the code under test: one set of contracts, and nobody holds what he should not."""
    assert tuple(deployment.addresses) == CONTRACTS
    for name, address in deployment.addresses.items():
        code = bytes.fromhex(chain.rpc("eth_getCode", ["0x" + address.hex(), "latest"])[2:])
        assert len(code) == len(artifact(name).deployed_bytecode)
        if not artifact(name).immutables:
            assert code == artifact(name).deployed_bytecode
    timelock, governor = deployment.address("GridtraceTimelock"), deployment.address("TraceGovernor")
    manager = "GridtraceAccessManager"
    assert ask(chain, deployment, manager, "hasRole", 0, timelock) == (True, 0)
    for account in (DEPLOYER, operator, governor):
        assert ask(chain, deployment, manager, "hasRole", 0, account) == (False, 0)
    for role in (1, 2, 3, 4, 5, 6, 7, 8, 10):
        assert ask(chain, deployment, manager, "hasRole", role, operator) == (True, 0)
        assert ask(chain, deployment, manager, "hasRole", role, DEPLOYER) == (False, 0)
    for contract in CONTRACTS:
        if any(entry.get("name") == "authority" for entry in artifact(contract).abi) and contract != manager:
            assert ask(chain, deployment, contract, "authority") == ("0x" + deployment.address(manager).hex(),)
    for role_name, holder in (("PROPOSER_ROLE", governor), ("CANCELLER_ROLE", governor), ("EXECUTOR_ROLE", ANYONE)):
        (of_timelock,) = ask(chain, deployment, "GridtraceTimelock", role_name)
        assert ask(chain, deployment, "GridtraceTimelock", "hasRole", of_timelock, holder) == (True,)
        assert ask(chain, deployment, "GridtraceTimelock", "hasRole", of_timelock, DEPLOYER) == (False,)
    assert ask(chain, deployment, "GridtraceTimelock", "hasRole", bytes(32), DEPLOYER) == (False,)
    assert ask(chain, deployment, "GridtraceTimelock", "hasRole", bytes(32), timelock) == (True,)
    assert ask(chain, deployment, "SettlementExchange", "isSettler", operator) == (True,)
    assert ask(chain, deployment, "SettlementExchange", "isSettler", DEPLOYER) == (False,)
    assert ask(chain, deployment, "ProductionLedger", "isAttester", operator) == (True,)


def forgotten(body: bytes) -> bytes:
    call = json.loads(body)
    taken = keccak(bytes.fromhex(call["params"][0][2:]))
    return json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": "0x" + taken.hex()}).encode()


@asynccontextmanager
async def node_that(chain: Chain, sends: Callable[[], tuple[bool, bool]]) -> AsyncIterator[str]:
    """A node in front of the chain. ``sends`` is asked at every transaction: does it reach the chain, is it answered?

    An answer to what does not reach the chain is its hash, as from a node that forgets; without one the request hangs.
    """
    async with ClientSession() as session:

        async def handle(request: web.Request) -> web.Response:
            body = await request.read()
            forward, answered = sends() if b"eth_sendRawTransaction" in body else (True, True)
            answer = b"" if forward else forgotten(body)
            if forward:
                headers = {"Content-Type": "application/json"}
                async with session.post(chain.url, data=body, headers=headers) as response:
                    answer = await response.read()
            if not answered:
                await asyncio.sleep(30)
            return web.Response(body=answer, content_type="application/json")

        application = web.Application(client_max_size=2**22)
        application.router.add_post("/", handle)
        runner = web.AppRunner(application, shutdown_timeout=0.01)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        await runner.cleanup()


@asynccontextmanager
async def blocks(chain: Chain) -> AsyncIterator[None]:
    """A block every tenth of a second, as on a development network with a clock of its own."""

    async def mine() -> None:
        while True:
            await asyncio.to_thread(chain.rpc, "evm_mine")
            await asyncio.sleep(0.1)

    chain.rpc("evm_setAutomine", [False])
    task = asyncio.create_task(mine())
    try:
        yield
    finally:
        task.cancel()
