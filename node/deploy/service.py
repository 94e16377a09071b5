"""The deployment itself: what is missing is created and wired, what is there is left alone.

A contract's address follows from the deployer's account and nonce. The first nonce is written down before anything is
sent, and every creation is sent with its own nonce: however often this is stopped and run again, a second creation of
the same contract would carry the same nonce, and the chain takes each nonce once.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from eth_hash.auto import keccak

from contracts.abi import CONTRACTS, encode_call
from contracts.addresses import Deployment, write_whole
from contracts.errors import GridtraceError
from contracts.typed_data import checksum
from node.deploy.account import Account, DeploymentFailed, open_account
from node.deploy.plan import Addresses, Fact, Parameters, creation, fixed, wiring
from node.wallet import KeyFileSigner

logger = logging.getLogger(__name__)

Progress = Callable[[str], None]


class DeploymentMismatch(GridtraceError):
    """The contracts on chain are not set up as asked."""

    code = "deployment-mismatch"


@dataclass(frozen=True, slots=True)
class Begun:
    """A deployment that was begun: enough to find everything that it may have sent."""

    genesis: str
    deployer: str
    first_nonce: int
    start_block: int

    @classmethod
    def load(cls, path: Path) -> "Begun | None":
        """What an earlier run wrote down, or None."""
        try:
            return cls(**json.loads(path.read_text()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise DeploymentMismatch(f"{path} is not the state of a deployment: {error}") from error

    def dump(self, path: Path) -> None:
        """Writes it down, whole or not at all."""
        fields = {name: getattr(self, name) for name in ("genesis", "deployer", "first_nonce", "start_block")}
        write_whole(path, json.dumps(fields, indent=2) + "\n")


def state_path(path: Path) -> Path:
    """Where the state of the deployment with this result is kept."""
    return path.with_name(path.name + ".state")


def created_address(sender: bytes, nonce: int) -> bytes:
    """Where a contract created by ``sender`` with ``nonce`` stands: keccak(rlp([sender, nonce]))."""
    number = nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
    item = number if len(number) == 1 and number[0] < 0x80 else bytes((0x80 + len(number),)) + number
    body = bytes((0x80 + 20,)) + sender + item
    return keccak(bytes((0xC0 + len(body),)) + body)[12:]


async def deploy(
    rpc_url: str,
    chain_id: int,
    deployer_key: bytes,
    operator: bytes,
    path: Path,
    *,
    parameters: Parameters | None = None,
    progress: Progress = lambda line: None,
) -> Deployment:
    """Creates and wires all contracts, gives the operator its roles, and writes ``path``.

    The operator becomes registrar, attester, settler, faucet and guardian; the deployer stays the administrator.
    What an earlier call has done, finished or not, is found and kept.

    Raises:
        DevKeyRefused: a published key on a chain that is no development network.
        WrongChain, RpcUnavailable: another chain answers, or none.
        DeploymentFailed, DeploymentStuck: a transaction was refused, or waits too long for its block.
        DeploymentMismatch: contracts are there, but with other parameters.
    """
    signer = KeyFileSigner(deployer_key, chain_id=chain_id)
    chosen = parameters or Parameters()
    async with open_account(rpc_url, signer, chain_id) as account:
        await account.check_chain()
        deployment = await _finished(account, chain_id, path)
        if deployment is None:
            begun = await _begin(account, path)
            at = await _create(account, begun, chosen, progress)
            deployment = Deployment(chain_id, begun.start_block, at)
        await _verify(account, deployment.addresses, fixed(deployment.addresses, chosen))
        await _wire(account, deployment.addresses, operator, progress)
    deployment.dump(path)
    return deployment


async def _finished(account: Account, chain_id: int, path: Path) -> Deployment | None:
    """The deployment that ``path`` names, where all its contracts stand on this chain."""
    found = _written(path)
    if found is None or found.chain_id != chain_id or set(found.addresses) != set(CONTRACTS):
        return None
    standing = [await account.has_code(address) for address in found.addresses.values()]
    return found if all(standing) else None


def _written(path: Path) -> Deployment | None:
    return Deployment.load(path) if path.is_file() else None


async def _begin(account: Account, path: Path) -> Begun:
    """The deployment begun on this chain by this deployer, or a new one."""
    begun = Begun.load(state_path(path))
    genesis, deployer = await account.genesis(), checksum(account.address)
    if begun is not None and (begun.genesis, begun.deployer) == (genesis, deployer):
        return begun
    if begun is not None:
        logger.warning("the last deployment was on another chain or by another account: beginning anew")
    begun = Begun(genesis, deployer, await account.nonce(), await account.head())
    begun.dump(state_path(path))
    return begun


async def _create(account: Account, begun: Begun, parameters: Parameters, progress: Progress) -> Addresses:
    """The addresses of all contracts, of which the missing ones are created."""
    at: dict[str, bytes] = {}
    for position, name in enumerate(CONTRACTS):
        at[name] = created_address(account.address, begun.first_nonce + position)
        if await account.has_code(at[name]):
            continue
        nonce = await account.nonce()
        if not await account.has_code(at[name]):
            _require_nonce(name, nonce, begun.first_nonce + position)
            await account.send(f"create {name}", nonce, None, creation(name, at, account.address, parameters))
        progress(f"created {name} at {checksum(at[name])}")
    return at


def _require_nonce(name: str, nonce: int, planned: int) -> None:
    if nonce != planned:
        raise DeploymentFailed(
            f"{name} was to be created with nonce {planned}, the deployer is at {nonce}: its account was used for "
            "something else in between; remove the state file to begin anew"
        )


async def _wire(account: Account, at: Addresses, operator: bytes, progress: Progress) -> None:
    """Makes every fact of the wiring true, and reads all of them at the end."""
    steps = wiring(at, account.address, operator)
    for step in steps:
        if await account.holds(step.fact, at):
            continue
        nonce = await account.nonce()
        if await account.holds(step.fact, at):
            continue  # by a transaction of an earlier run that had waited for its block
        calldata = encode_call(step.contract, step.function, *step.arguments)
        await account.send(f"{step.contract}.{step.function}", nonce, at[step.contract], calldata)
        progress(f"set {step.fact}")
    await _verify(account, at, [step.fact for step in steps])


async def _verify(account: Account, at: Addresses, facts: list[Fact]) -> None:
    wrong = [str(fact) for fact in facts if not await account.holds(fact, at)]
    if wrong:
        raise DeploymentMismatch(f"not as asked: {'; '.join(wrong)}")
