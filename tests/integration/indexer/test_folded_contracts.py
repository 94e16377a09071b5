"""Stakes, deals, certificates, credits and votes folded from real contracts' events, audited by their own views."""

from pathlib import Path

import pytest

from contracts.addresses import Deployment
from contracts.typed_data import address_of
from indexer import db as database
from indexer import reconcile
from indexer.clock import SimulatedClock
from indexer.config import IndexerConfig
from indexer.rpc import Rpc, open_rpc
from node.deploy.choices import ROLES
from node.deploy.service import deploy
from tests.integration.conftest import AnvilChain
from tests.integration.indexer.test_anvil import World, indexing
from tests.integration.indexer.test_contracts import ADMIN, ALICE, KEY, Contracts

pytestmark = pytest.mark.integration

BOB = "0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc"
CAROL = "0x90f79bf6eb2c4f870365e785982e1f101e93b906"
MOST = 10**30
DAY = 86_400


async def play(rpc: Rpc, contracts: Contracts, deployment: Deployment) -> None:
    """A stake paid, withdrawn in part and left; deals released and disputed; certificates, credits and a vote."""
    timelock = contracts.at("GridtraceTimelock")
    await rpc.call("anvil_impersonateAccount", timelock)
    await rpc.call("anvil_setBalance", timelock, hex(10**20))
    for role in ("pool-manager", "certifier", "carbon-issuer", "faucet"):
        await contracts.send(timelock, "GridtraceAccessManager", "grantRole", ROLES[role], timelock, 0)
    for holder in (ALICE, BOB, timelock):
        await contracts.send(timelock, "TraceToken", "mint", holder, 10**24)
        await contracts.send(holder, "TraceToken", "approve", contracts.at("StakingPools"), MOST)
    await stakes(rpc, contracts, timelock)
    await contracts.send(timelock, "PaymentToken", "mint", ALICE, 10**12)
    await contracts.send(ALICE, "PaymentToken", "approve", contracts.at("Escrow"), MOST)
    await deals(rpc, contracts)
    await contracts.send(timelock, "Certificates", "setIssuer", ADMIN, 4)
    for code in (5, 6, 2**200):
        await contracts.send(ADMIN, "Certificates", "issueTo", ALICE, code)
    await contracts.send(ALICE, "Certificates", "transferFrom", ALICE, BOB, 5)
    await contracts.send(BOB, "Certificates", "retire", 5, b"\x01" * 32)
    await contracts.send(ADMIN, "Certificates", "revoke", 6, b"\x02" * 32)
    await contracts.send(timelock, "CarbonCredits", "setVintage", 7, 2024, 10**9, b"\x03" * 32)
    (vintage,) = await contracts.view("CarbonCredits", "idOf", 7, 2024)
    await contracts.send(timelock, "CarbonCredits", "issue", ALICE, vintage, 10**6, b"\x04" * 32)
    await contracts.send(ALICE, "CarbonCredits", "retire", vintage, 10**5, BOB, b"\x05" * 32)
    await vote(rpc, contracts)


async def stakes(rpc: Rpc, contracts: Contracts, timelock: str) -> None:
    await contracts.send(timelock, "StakingPools", "addPool", 1_000, 30 * DAY, 10, 10**24)
    await contracts.send(timelock, "StakingPools", "fundPool", 0, 10**22)
    for holder in (ALICE, BOB):
        await contracts.send(holder, "StakingPools", "stake", 0, 10**21)
    await rpc.call("evm_increaseTime", 10 * DAY)
    await contracts.send(ALICE, "StakingPools", "claim", 0)
    await contracts.send(BOB, "StakingPools", "stake", 0, 10**20)
    await contracts.send(BOB, "StakingPools", "emergencyExit", 0)
    await rpc.call("evm_increaseTime", 31 * DAY)
    await contracts.send(ALICE, "StakingPools", "withdraw", 0, 10**20)
    await contracts.send(timelock, "StakingPools", "setPoolOpen", 0, False)


async def deals(rpc: Rpc, contracts: Contracts) -> None:
    header = await rpc.call("eth_getBlockByNumber", "latest", False)
    deliver_by = int(header["timestamp"], 16) + DAY
    made = [
        (ALICE, BOB, CAROL, 10**6, deliver_by, DAY, DAY, 5_000, bytes(32), bytes(32), bytes([salt]) * 32)
        for salt in range(4)
    ]
    for deal in made:
        await contracts.send(ALICE, "Escrow", "open", deal)
    await contracts.send(BOB, "Escrow", "declareDelivery", made[0])
    await contracts.send(ALICE, "Escrow", "release", made[0])
    await contracts.send(BOB, "Escrow", "collect", made[0], BOB)
    await contracts.send(BOB, "Escrow", "refund", made[1])
    await contracts.send(ALICE, "Escrow", "dispute", made[2], b"\x07" * 32)
    await contracts.send(CAROL, "Escrow", "resolve", made[2], 250_000)
    await contracts.send(ALICE, "Escrow", "collect", made[2], ALICE)


async def vote(rpc: Rpc, contracts: Contracts) -> None:
    await contracts.send(ALICE, "TraceToken", "delegate", ALICE)
    await rpc.call("evm_increaseTime", 10)
    await rpc.call("anvil_mine", "0x1")
    call = ([contracts.at("TraceToken")], [0], [b""], "Shall we?")
    await contracts.send(ALICE, "TraceGovernor", "propose", *call)
    (delay,) = await contracts.view("TraceGovernor", "votingDelay")
    await rpc.call("evm_increaseTime", delay + 2)
    await rpc.call("anvil_mine", "0x1")


async def test_mirror__other_contracts__agrees_with_their_views(
    database_url: str, anvil: AnvilChain, tmp_path: Path
) -> None:
    path = tmp_path / "deployment.json"
    deployment = await deploy(anvil.url, anvil.chain_id, KEY, address_of(KEY), path)
    config = IndexerConfig(database_url, (anvil.url,), anvil.chain_id, path, SimulatedClock(), 0.05)
    db = await database.connect(database_url)
    async with open_rpc([anvil.url], anvil.chain_id) as rpc, indexing(config):
        contracts = Contracts(rpc, deployment)
        await play(rpc, contracts, deployment)
        await World(rpc, config, db).mirrored()
        (proposal,) = await db.fetchrow("select proposal_id from blockchain.proposals") or (None,)
        assert proposal is not None
        await contracts.send(ALICE, "TraceGovernor", "castVote", int(proposal), 1)
        await World(rpc, config, db).mirrored()
        async with db.transaction(isolation="repeatable_read", readonly=True):
            report = await reconcile.audit(db, rpc, anvil.chain_id)
        assert (report.outcome, report.differences, report.notes) == ("equal", [], [])
        counts = {
            table: await db.fetchval(f"select count(*) from blockchain.{table}")
            for table in ("staking_pools", "staking_positions", "escrow_deals", "certificates", "carbon_vintages",
                          "proposals", "proposal_votes")
        }  # fmt: skip
        assert counts == dict(zip(counts, (1, 2, 4, 3, 1, 1, 1), strict=True))
        states = await db.fetch("select state from blockchain.escrow_deals order by state")
        assert [state for (state,) in states] == ["open", "refunded", "released", "resolved"]
        for change in (
            "staking_positions set amount = amount + 1", "escrow_deals set payee_share = payee_share + 1",
            "certificates set state = 'live' where state = 'revoked'", "carbon_vintages set retired_g = 0",
            "proposals set in_favour = in_favour + 1", "staking_pools set staked = staked - 1",
        ):  # fmt: skip
            await db.execute(f"update blockchain.{change}")
        async with db.transaction(isolation="repeatable_read", readonly=True):
            report = await reconcile.audit(db, rpc, anvil.chain_id)
        found = {difference.quantity.partition(" ")[0] for difference in report.differences}
        assert found == counts.keys() - {"proposal_votes"}
    await db.close()
