"""What is folded from the events of the real contracts is what the contracts themselves answer."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from contracts.abi import decode_result, encode_call
from contracts.addresses import Deployment
from contracts.typed_data import address_of
from indexer import db as database
from indexer import read
from indexer.clock import SimulatedClock
from indexer.config import IndexerConfig
from indexer.rpc import Rpc, open_rpc
from node.deploy.service import deploy
from tests.integration.conftest import AnvilChain
from tests.integration.indexer.test_anvil import World, indexing

pytestmark = pytest.mark.integration

# anvil's first account, public since ever.
KEY = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
ADMIN = "0x" + address_of(KEY).hex()
ALICE = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8"


class Contracts:
    """The deployed contracts, written to and read from."""

    def __init__(self, rpc: Rpc, deployment: Deployment) -> None:
        self._rpc, self._deployment = rpc, deployment

    def at(self, name: str) -> str:
        return "0x" + self._deployment.address(name).hex()

    async def send(self, sender: str, name: str, function: str, *arguments: Any) -> None:
        data = "0x" + encode_call(name, function, *arguments).hex()
        transaction = {"from": sender, "to": self.at(name), "data": data, "gas": hex(2_000_000)}
        sent = await self._rpc.call("eth_sendTransaction", transaction)
        async with asyncio.timeout(10):
            while (receipt := await self._rpc.call("eth_getTransactionReceipt", sent)) is None:
                await asyncio.sleep(0.005)
        assert receipt["status"] == "0x1", (name, function)

    async def view(self, name: str, function: str, *arguments: Any) -> Sequence[Any]:
        data = "0x" + encode_call(name, function, *arguments).hex()
        answer = await self._rpc.call("eth_call", {"to": self.at(name), "data": data}, "latest")
        return decode_result(name, function, bytes.fromhex(answer[2:]))


async def play(rpc: Rpc, contracts: Contracts) -> None:
    """Money in and out, a voided nonce, and energy attested and issued."""
    header = await rpc.call("eth_getBlockByNumber", "latest", False)
    now = int(header["timestamp"], 16)
    exchange = contracts.at("SettlementExchange")
    await contracts.send(ADMIN, "PaymentToken", "mint", ALICE, 10**9)
    await contracts.send(ADMIN, "ParticipantRegistry", "setParticipant", ALICE, now + 10**6, 3, 276)
    await contracts.send(ADMIN, "ParticipantRegistry", "setMeter", 7, ALICE, 1, True, ALICE, bytes(32))
    await contracts.send(ALICE, "PaymentToken", "approve", exchange, 10**9)
    await contracts.send(ALICE, "SettlementExchange", "deposit", 5 * 10**8)
    await contracts.send(ALICE, "SettlementExchange", "requestWithdrawal", 10**6, 0)
    await contracts.send(ALICE, "SettlementExchange", "raiseNonce", 9)
    for slot_end, register_wh in ((now - 900, 1_000), (now, 1_900)):
        entry = (7).to_bytes(4, "big") + register_wh.to_bytes(8, "big")
        await contracts.send(ADMIN, "ProductionLedger", "attest", 1, slot_end, b"\x01" * 32, entry)
    await contracts.send(ALICE, "ProductionLedger", "issue", [7])
    await rpc.call("evm_increaseTime", 4_000)
    await contracts.send(ALICE, "SettlementExchange", "executeWithdrawal")
    await contracts.send(ALICE, "SettlementExchange", "requestWithdrawal", 55, 66)


async def test_mirror__real_contracts__agrees_with_their_views(
    database_url: str, anvil: AnvilChain, tmp_path: Path
) -> None:
    path = tmp_path / "deployment.json"
    deployment = await deploy(anvil.url, anvil.chain_id, KEY, address_of(KEY), path)
    config = IndexerConfig(database_url, (anvil.url,), anvil.chain_id, path, SimulatedClock(), 0.05)
    alice, chain_id = bytes.fromhex(ALICE[2:]), anvil.chain_id
    db = await database.connect(database_url)
    async with open_rpc([anvil.url], chain_id) as rpc, indexing(config):
        contracts = Contracts(rpc, deployment)
        await play(rpc, contracts)
        await World(rpc, config, db).mirrored()
        balance = await read.balance(db, chain_id, alice)
        seen = (balance.cash, balance.energy_wh, balance.nonce)
        assert seen == tuple(await contracts.view("SettlementExchange", "accountOf", ALICE))
        requested = await contracts.view("SettlementExchange", "withdrawalOf", ALICE)
        assert (balance.pending_cash, balance.pending_energy_wh) == (requested[0], requested[1])
        register = await read.register(db, chain_id, 7)
        assert register is not None
        answered = await contracts.view("ProductionLedger", "register", 7)
        assert (register.attested_wh, register.issued_wh, register.slot_end) == tuple(answered)
        for token in ("PaymentToken", "EnergyToken"):
            for holder in (alice, deployment.address("SettlementExchange")):
                seen_balance = await read.token_balance(db, chain_id, deployment.address(token), holder)
                view = await contracts.view(token, "balanceOf", "0x" + holder.hex())
                assert seen_balance == view[0], (token, holder.hex())
        assert await db.fetchval("select count(*) from blockchain.undecoded_logs") == 0
    await db.close()
