"""The deployment's real process, killed with SIGKILL at every transaction and started again."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from contracts.abi import CONTRACTS
from contracts.addresses import Deployment
from tests.integration.conftest import AnvilChain
from tests.integration.node.deploying import (
    DEPLOYER,
    KEY,
    OPERATOR,
    TRANSACTIONS,
    blocks,
    check,
    creations,
    node_that,
    nonce,
)

pytestmark = pytest.mark.integration


class Killer:
    """Ends the process at every transaction once: at every other one before the chain has it, else after."""

    def __init__(self, *, first_reaches_the_chain: bool) -> None:
        self.first_reaches_the_chain = first_reaches_the_chain
        self.forwarded = 0
        self.struck: set[int] = set()
        self.strike = asyncio.Event()

    def sends(self) -> tuple[bool, bool]:
        number = self.forwarded
        if number in self.struck:
            self.forwarded += 1
            return True, True
        self.struck.add(number)
        self.strike.set()
        reaches = (number % 2 == 0) == self.first_reaches_the_chain
        self.forwarded += reaches
        return reaches, False

    async def run(self, url: str, folder: Path) -> int:
        """One start of ``gridtrace deploy``; returns its exit code, -9 where it was killed."""
        self.strike.clear()
        process = await start(url, folder)
        ended, struck = asyncio.create_task(process.wait()), asyncio.create_task(self.strike.wait())
        await asyncio.wait([ended, struck], return_when=asyncio.FIRST_COMPLETED)
        struck.cancel()
        if self.strike.is_set():
            await asyncio.sleep(0.02)  # for what is on its way to the chain
            process.kill()
        return await ended


async def start(url: str, folder: Path) -> asyncio.subprocess.Process:
    options = ["--key-file", folder / "key", "--path", folder / "deployment.json", "--operator", "0x" + OPERATOR.hex()]
    with (folder / "log").open("a") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "api.cli.main",
            "deploy",
            "--json",
            *map(str, options),
            env={**os.environ, "RPC_URL": url, "GRIDTRACE_CHAIN_ID": "31337"},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=log,
        )


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("first_reaches", [False, True], ids=["first-one-lost", "first-one-sent"])
async def test_deploy__killed_at_every_transaction__one_set_of_contracts_with_verified_roles(
    anvil: AnvilChain, tmp_path: Path, first_reaches: bool
) -> None:
    anvil.rpc("anvil_setBalance", ["0x" + DEPLOYER.hex(), hex(10**20)])
    (tmp_path / "key").write_text("0x" + KEY.hex())
    (tmp_path / "key").chmod(0o600)
    killer = Killer(first_reaches_the_chain=first_reaches)
    codes = []
    async with blocks(anvil), node_that(anvil, killer.sends) as url:
        while not codes or codes[-1] == -9:
            codes.append(await killer.run(url, tmp_path))
    assert codes == [-9] * TRANSACTIONS + [0], (tmp_path / "log").read_text()
    assert killer.struck == set(range(TRANSACTIONS))
    assert nonce(anvil) == TRANSACTIONS
    deployment = Deployment.load(tmp_path / "deployment.json")
    assert creations(anvil) == list(deployment.addresses.values())
    assert len(set(deployment.addresses.values())) == len(CONTRACTS)
    check(anvil, deployment)
    assert json.loads((tmp_path / "deployment.json.state").read_text())["first_nonce"] == 0
