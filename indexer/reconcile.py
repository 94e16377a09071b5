"""Mirrored balances against what the contracts themselves say, at one block that is named by its hash.

An account that has not moved since the newest finalised block is compared there; one that has is compared at the
mirror's own head. Where the node has no state of the finalised block any more, all are compared at the head, and the
result says so. Accounts that the mirror has never heard of would be missed by looking at those it knows: each
token's total supply is compared with the sum of its balances.
"""

import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from eth_hash.auto import keccak

from indexer import reconcile_state
from indexer.db import Connection, queries
from indexer.errors import Disagreement, GridtraceError, RpcRefused
from indexer.question import Question
from indexer.rpc import Call, Result, decode

SQL = queries(__name__)

AT_ONCE: Final = 100
"""Calls in one request."""
MOST_DIFFERENCES: Final = 10_000
"""Kept of one comparison; all are counted."""
MOST_NOTES: Final = 100
WORD: Final = 32
ADDRESS: Final = 20
ACCOUNT_OF: Final = keccak(b"accountOf(address)")[:4]
BALANCE_OF: Final = keccak(b"balanceOf(address)")[:4]
TOTAL_SUPPLY: Final = keccak(b"totalSupply()")[:4]
NOBODY: Final = "0x" + "00" * ADDRESS


class Transport(Protocol):
    """What is needed of the JSON-RPC client."""

    async def batch(self, calls: Sequence[Call]) -> list[Result]: ...


@dataclass(frozen=True, slots=True)
class Pin:
    """A block at which values are compared."""

    number: int
    hash: bytes

    @property
    def parameter(self) -> dict[str, Any]:
        """Source: EIP-1898."""
        return {"blockHash": "0x" + self.hash.hex(), "requireCanonical": True}


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that is not what the contract says."""

    contract: bytes
    account: bytes | None
    quantity: str
    mirrored: int
    on_chain: int
    block_number: int


@dataclass(slots=True)
class Report:
    """What one comparison found."""

    scope: str
    pin: Pin
    finality: str
    """``finalized``, or ``latest`` where the node has no state of the finalised block."""
    started_at: datetime
    compared: int = 0
    """Values."""
    different: int = 0
    differences: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unanswered: int = 0
    """Calls that the contract refused."""
    impossible_at: int | None = None
    """The block whose state the node lost while it was read."""

    @property
    def outcome(self) -> str:
        if self.different:
            return "different"
        return "impossible" if self.impossible_at is not None or self.unanswered else "equal"

    def note(self, text: str) -> None:
        """Keeps each remark once, and not without end."""
        if text not in self.notes and len(self.notes) < MOST_NOTES:
            self.notes.append(text)


class NotPossible(GridtraceError):
    """The node has no state of the block, or the mirror has no block."""

    code = "reconcile-impossible"
    retryable = True


async def audit(db: Connection, rpc: Transport, chain_id: int) -> Report:
    """Compares everything. Needs a transaction of one snapshot (repeatable read); stores nothing.

    Raises:
        NotPossible: there is nothing to compare at.
        RpcUnavailable: as the transport.
    """
    report, pins = await _open(db, rpc, chain_id, "whole")
    partial = _Partial(report)
    async for stretch in _everything(db, chain_id):
        if report.impossible_at is not None:
            break
        await _compare(rpc, report, pins, await partial.left_out(db, rpc, chain_id, stretch))
    return report


async def sample(db: Connection, rpc: Transport, chain_id: int, size: int) -> Report:
    """Compares ``size`` vault accounts and as many token holders, from a random one on. As ``audit`` otherwise."""
    report, pins = await _open(db, rpc, chain_id, "sample")
    start = secrets.token_bytes(ADDRESS)
    questions = await _vault(db, chain_id, start, size) or await _vault(db, chain_id, b"", size)
    token = await db.fetchval(SQL["some_token"], chain_id, secrets.token_bytes(ADDRESS))
    if token is not None:
        questions += await _holders(db, chain_id, token, start, size) or await _holders(db, chain_id, token, b"", size)
    await _compare(rpc, report, pins, await _Partial(report).left_out(db, rpc, chain_id, questions))
    return report


async def store(db: Connection, chain_id: int, report: Report) -> int:
    """Keeps a result; returns its number. Needs a transaction."""
    check_id: int = await db.fetchval(
        SQL["keep_check"],
        chain_id,
        report.scope,
        report.outcome,
        report.pin.number,
        report.pin.hash,
        report.finality,
        report.compared,
        report.different,
        report.notes,
        report.started_at,
    )
    await db.executemany(
        SQL["keep_difference"],
        [
            (check_id, at, d.contract, d.account, d.quantity, d.mirrored, d.on_chain, d.block_number)
            for at, d in enumerate(report.differences)
        ],
    )
    await db.execute(SQL["forget_samples"], chain_id)
    return check_id


@dataclass(frozen=True, slots=True)
class _Pins:
    """Where to compare what stands since the finalised block, and where the rest."""

    settled: Pin
    moving: Pin

    def of(self, question: Question) -> Pin:
        return self.settled if question.updated_block <= self.settled.number else self.moving


async def _open(db: Connection, rpc: Transport, chain_id: int, scope: str) -> tuple[Report, _Pins]:
    row = await db.fetchrow(SQL["standing"], chain_id)
    if row is None:
        raise NotPossible("nothing is mirrored yet")
    head = Pin(row["number"], row["hash"])
    if not await _has_state(rpc, head):
        raise NotPossible(f"the node has no state of block {head.number}, where the mirror stands")
    started = datetime.now(UTC)
    if row["finalized_hash"] is None:
        report = Report(scope, head, "latest", started, notes=["no finalised block is mirrored"])
        return report, _Pins(head, head)
    final = Pin(row["finalized_number"], row["finalized_hash"])
    if final != head and not await _has_state(rpc, final):
        note = f"the node has no state of the finalised block {final.number}: compared at block {head.number}"
        return Report(scope, head, "latest", started, notes=[note]), _Pins(head, head)
    return Report(scope, final, "finalized", started), _Pins(final, head)


async def _has_state(rpc: Transport, pin: Pin) -> bool:
    """Asks for what every state has: a call can be refused for reasons of its own."""
    (answer,) = await rpc.batch([Call("eth_getBalance", (NOBODY, pin.parameter))])
    return not isinstance(answer, RpcRefused)


class _Partial:
    """Leaves out tokens whose history was not mirrored from the beginning: their balances are no sums of it."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._known: dict[bytes, bool] = {}

    async def left_out(
        self, db: Connection, rpc: Transport, chain_id: int, questions: Sequence[Question]
    ) -> list[Question]:
        """The questions about contracts whose whole history is mirrored."""
        new = {q.contract for q in questions if q.calldata[:4] != ACCOUNT_OF}.difference(self._known)
        rows = await db.fetch(SQL["histories"], chain_id, sorted(new))
        self._known.update(dict.fromkeys(new, False))
        answers = await rpc.batch([_supply_before(row) for row in rows]) if rows else []
        for row, answer in zip(rows, answers, strict=True):
            supply = _words(answer, 1)
            if supply is not None and supply[0] > 0:
                self._known[row["address"]] = True
                self._report.note(
                    f"token 0x{row['address'].hex()} is mirrored from block {row['start_block']} on and had a supply "
                    f"of {supply[0]} before: its balances are not compared"
                )
        return [question for question in questions if not self._known.get(question.contract)]


def _supply_before(row: Any) -> Call:
    call = {"to": "0x" + row["address"].hex(), "data": "0x" + TOTAL_SUPPLY.hex()}
    return Call("eth_call", (call, hex(max(row["start_block"] - 1, 0))))


async def _everything(db: Connection, chain_id: int) -> AsyncIterator[list[Question]]:
    """All questions there are, a stretch of accounts at a time."""
    account = b""
    while found := await _vault(db, chain_id, account, AT_ONCE):
        yield found
        account = found[-1].account or b""
    token, account = b"", b""
    while found := await _holders(db, chain_id, token, account, AT_ONCE):
        yield found
        token, account = found[-1].contract, found[-1].account or b""
    token = b""
    while rows := await db.fetch(SQL["supplies"], chain_id, token, AT_ONCE):
        yield [
            Question(row["token"], None, TOTAL_SUPPLY, (("total_supply", int(row["balance"])),), row["updated_block"])
            for row in rows
        ]
        token = rows[-1]["token"]
    async for stretch in reconcile_state.everything(db, chain_id, AT_ONCE):
        yield stretch


async def _vault(db: Connection, chain_id: int, after: bytes, size: int) -> list[Question]:
    exchange = await db.fetchval(SQL["exchange"], chain_id)
    if exchange is None:
        return []
    return [
        Question(
            exchange,
            row["account"],
            ACCOUNT_OF + row["account"].rjust(WORD, b"\0"),
            (("cash", int(row["cash"])), ("energy_wh", int(row["energy_wh"])), ("nonce", row["nonce"])),
            row["updated_block"],
        )
        for row in await db.fetch(SQL["vault"], chain_id, after, size)
    ]


async def _holders(db: Connection, chain_id: int, token: bytes, after: bytes, size: int) -> list[Question]:
    return [_holder(row) for row in await db.fetch(SQL["tokens"], chain_id, token, after, size)]


def _holder(row: Any) -> Question:
    calldata = BALANCE_OF + row["account"].rjust(WORD, b"\0")
    return Question(row["token"], row["account"], calldata, (("balance", int(row["balance"])),), row["updated_block"])


async def _compare(rpc: Transport, report: Report, pins: _Pins, questions: Sequence[Question]) -> None:
    for at in range(0, len(questions), AT_ONCE):
        part = questions[at : at + AT_ONCE]
        answers = await rpc.batch([Call("eth_call", (q.call, pins.of(q).parameter)) for q in part])
        for pin in {pins.of(q) for q, a in zip(part, answers, strict=True) if isinstance(a, RpcRefused)}:
            if not await _has_state(rpc, pin):
                report.impossible_at = pin.number
                report.note(f"the node lost the state of block {pin.number} while it was read")
                return
        for question, answer in zip(part, answers, strict=True):
            _judge(report, question, pins.of(question), _words(answer, len(question.expected)))


def _judge(report: Report, question: Question, pin: Pin, words: list[int] | None) -> None:
    if words is None:
        account = "" if question.account is None else f" of 0x{question.account.hex()}"
        report.note(f"contract 0x{question.contract.hex()} does not answer 0x{question.calldata[:4].hex()}{account}")
        report.unanswered += 1
        return
    for (quantity, mirrored), on_chain in zip(question.expected, words, strict=True):
        report.compared += 1
        if mirrored == on_chain:
            continue
        report.different += 1
        if len(report.differences) < MOST_DIFFERENCES:
            report.differences.append(
                Difference(question.contract, question.account, quantity, mirrored, on_chain, pin.number)
            )


def _words(answer: Result, count: int) -> list[int] | None:
    """The first words that a call returned; None where it failed or returned less."""
    if isinstance(answer, RpcRefused):
        return None
    text: str = decode(answer, str)
    try:
        data = bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise Disagreement(f"eth_call: {error}") from error
    if len(data) < count * WORD:
        return None
    return [int.from_bytes(data[at * WORD : (at + 1) * WORD], "big") for at in range(count)]
