"""The deployment itself: what is missing is created, wired and handed over; what is there is left alone.

A contract's address follows from the deployer's account and nonce (CREATE): the n-th contract of CONTRACTS takes the
n-th nonce after the first one. The first nonce is written down before anything is sent, and every creation is sent with
its own nonce: however often this is stopped and run again, a second creation of the same contract would carry the same
nonce, and the chain takes each nonce once. A call is sent only where what it is to bring about does not hold yet.
"""

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from eth_hash.auto import keccak

from contracts.abi import CONTRACTS, encode_call
from contracts.addresses import Deployment, write_whole
from contracts.errors import GridtraceError
from contracts.typed_data import checksum
from node.deploy import plan, verify
from node.deploy.account import Account, Call, DeploymentFailed, open_account
from node.deploy.choices import Choices, Parameters
from node.deploy.plan import MANAGER, Addresses, Step
from node.wallet import KeyFileSigner, Signer

logger = logging.getLogger(__name__)

ROUNDS: Final = 3
"""How often the calls of a stage are looked at and sent: once, and again where an earlier run's got in between."""


class DeploymentMismatch(GridtraceError):
    """The contracts on chain are not set up as asked."""

    code = "deployment-mismatch"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a deployment is."""

    done: int
    total: int
    what: str
    """What was done last."""
    left_s: float | None
    """Seconds until the end at this pace; None at the start."""

    def __str__(self) -> str:
        left = "" if self.left_s is None or self.done == self.total else f", about {self.left_s:.0f} s left"
        return f"{self.done}/{self.total} {self.what}{left}"


Told: TypeAlias = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Begun:
    """A deployment that was begun: enough to find everything that it may have sent, and to go on with the same."""

    genesis: str
    deployer: str
    first_nonce: int
    start_block: int
    choices: dict[str, Any]

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
        names = ("genesis", "deployer", "first_nonce", "start_block", "choices")
        write_whole(path, json.dumps({name: getattr(self, name) for name in names}, indent=2) + "\n")


@dataclass(slots=True)
class Run:
    """What the steps of one run share."""

    account: Account
    choices: Choices
    path: Path
    told: Told
    done: int = 0
    total: int = len(CONTRACTS)
    sent: int = 0
    started: float = field(default_factory=time.monotonic)

    def tell(self, what: str, *, sent: bool = True) -> None:
        """Counts one more step; those that an earlier run did say nothing of the pace."""
        self.done += 1
        self.sent += sent
        pace = (time.monotonic() - self.started) / self.sent if self.sent else None
        self.told(Progress(self.done, self.total, what, None if pace is None else pace * (self.total - self.done)))


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
    deployer: Signer | bytes,
    operator: bytes,
    path: Path,
    *,
    parameters: Parameters | None = None,
    treasury: bytes | None = None,
    holders: Mapping[str, bytes] | None = None,
    progress: Told = lambda report: None,
) -> Deployment:
    """Creates and wires all contracts, gives out the roles, hands everything to the timelock, and writes ``path``.

    In the end the deployer (a signer, or a private key) holds nothing. What an earlier call has done, finished or not,
    is found and kept. ``choices.Choices.of`` says what is chosen where nothing is given.

    Raises:
        DevKeyRefused: a published key on a chain that is no development network.
        WrongChain, RpcUnavailable: another chain answers, or none.
        DeploymentFailed, DeploymentStuck: a transaction was refused, or waits too long for its block.
        DeploymentMismatch: contracts are there, but other ones, or with other parameters or roles.
    """
    signer = KeyFileSigner(deployer, chain_id=chain_id) if isinstance(deployer, bytes) else deployer
    choices = Choices.of(chain_id, operator, parameters=parameters, treasury=treasury, holders=holders)
    async with open_account(rpc_url, signer, chain_id) as account:
        await account.check_chain()
        if found := await _finished(account, chain_id, path, choices):
            return found
        run = Run(account, choices, path, progress)
        begun = await _begin(run)
        at = {name: created_address(account.address, begun.first_nonce + i) for i, name in enumerate(CONTRACTS)}
        stages = (plan.wiring(at, choices), plan.handover(at), plan.renunciation(account.address))
        run.total += sum(len(_units(steps)) for steps in stages)
        await _create(run, begun, at)
        _require(await verify.code(account, at))
        await _hand_over(run, at)
        _require(await verify.roles(account, at, choices, begun.start_block))
    deployment = Deployment(chain_id, begun.start_block, at, choices.as_json())
    deployment.dump(path)
    return deployment


async def _finished(account: Account, chain_id: int, path: Path, choices: Choices) -> Deployment | None:
    """The deployment that ``path`` names, where it stands on this chain.

    It was verified whole before it was written. Roles may have changed by vote since: only what cannot is looked at.
    """
    found = _written(path)
    if found is None or found.chain_id != chain_id:
        return None
    if not all([await account.code(address) for address in found.addresses.values()]):
        return None
    if set(found.addresses) != set(CONTRACTS):
        raise DeploymentMismatch(f"{path} has other contracts: {', '.join(set(found.addresses) ^ set(CONTRACTS))}")
    _require([*choices.differences(found.parameters), *await verify.code(account, found.addresses)])
    missing = await account.missing(plan.fixed(found.addresses, choices), found.addresses)
    _require([str(fact) for fact in missing])
    return found


def _written(path: Path) -> Deployment | None:
    return Deployment.load(path) if path.is_file() else None


async def _begin(run: Run) -> Begun:
    """The deployment begun on this chain by this deployer, or a new one. Raises DeploymentMismatch."""
    state = state_path(run.path)
    begun = Begun.load(state)
    genesis, deployer = await run.account.genesis(), checksum(run.account.address)
    if begun is not None and (begun.genesis, begun.deployer) == (genesis, deployer):
        if changed := run.choices.differences(begun.choices):
            raise DeploymentMismatch(f"{state}: the deployment was begun with other choices: {'; '.join(changed)}")
        return begun
    if begun is not None:
        logger.warning("the last deployment was on another chain or by another account: beginning anew")
    begun = Begun(genesis, deployer, await run.account.nonce(), await run.account.head(), run.choices.as_json())
    begun.dump(state)
    return begun


async def _create(run: Run, begun: Begun, at: Addresses) -> None:
    """Creates the missing contracts, as many at once as do not need each other."""
    account = run.account
    planned = begun.first_nonce
    for wave in plan.waves():
        nonce = await account.nonce()
        missing = [name for name in wave if not await account.code(at[name])]
        for name in wave[: len(wave) - len(missing)]:
            run.tell(f"found {name} at {checksum(at[name])}", sent=False)
        planned += len(wave)
        if not missing:
            continue
        if missing != wave[-len(missing) :] or nonce != planned - len(missing):
            raise DeploymentFailed(
                f"{missing[0]} was to be created with nonce {planned - len(missing)}, the deployer is at {nonce}: its "
                "account was used for something else in between; remove the state file to begin anew"
            )
        calls = [
            Call(f"created {name} at {checksum(at[name])}", None, plan.creation(name, at, account.address, run.choices))
            for name in missing
        ]
        await account.send(nonce, calls, lambda call: run.tell(call.what))


async def _hand_over(run: Run, at: Addresses) -> None:
    """Wires the contracts and gives them away; what cannot be taken back comes last, after all else was read back."""
    last = plan.renunciation(run.account.address)
    if await run.account.missing([fact for step in last for fact in step.facts], at):
        await _stage(run, at, plan.wiring(at, run.choices))
        await _stage(run, at, plan.handover(at))
        _require(await verify.setup(run.account, at, run.choices))
        # The timelock's role first: whoever is still the manager's administrator comes here again.
        for step in last:
            await _stage(run, at, [step])
    else:
        _require(await verify.setup(run.account, at, run.choices))


async def _stage(run: Run, at: Addresses, steps: Sequence[Step]) -> None:
    """Makes the facts of all steps true, in as few transactions as may be."""
    units = _units(steps)
    for attempt in range(ROUNDS):
        nonce = await run.account.nonce()
        calls = []
        for unit in units:
            todo = [step for step in unit if await run.account.missing(step.facts, at)]
            if todo:
                calls.append(_call(todo, at))
            elif attempt == 0:
                run.tell(f"found {unit[0]}", sent=False)
        if not calls:
            return
        await run.account.send(nonce, calls, lambda call: run.tell(call.what))
    _require([str(fact) for fact in await run.account.missing([fact for step in steps for fact in step.facts], at)])


def _units(steps: Sequence[Step]) -> list[list[Step]]:
    """Steps by transaction: the AccessManager takes all of its own in one."""
    of_manager = [step for step in steps if step.contract == MANAGER]
    return [*([step] for step in steps if step.contract != MANAGER), *([of_manager] if of_manager else [])]


def _call(steps: Sequence[Step], at: Addresses) -> Call:
    """One transaction for one step, or for several of the AccessManager's."""
    encoded = [encode_call(step.contract, step.function, *step.arguments) for step in steps]
    target = at[steps[0].contract]
    if len(steps) == 1:
        return Call(f"called {steps[0]}", target, encoded[0])
    return Call(
        f"called {steps[0].contract} {len(steps)} times in one", target, encode_call(MANAGER, "multicall", encoded)
    )


def _require(wrong: Sequence[str]) -> None:
    """Raises DeploymentMismatch."""
    if wrong:
        raise DeploymentMismatch(f"not as asked: {'; '.join(wrong)}")
