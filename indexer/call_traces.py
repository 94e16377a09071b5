"""Trees of calls inside transactions, as geth's callTracer and as OpenEthereum's ``trace_block`` give them. Pure.

Sources: https://geth.ethereum.org/docs/developers/evm-tracing/built-in-tracers#call-tracer,
https://openethereum.github.io/JSONRPC-trace-module
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from indexer.block import HASH_BYTES, quantity, unhex

ADDRESS: Final = 20
LARGEST_WORD: Final = (1 << 256) - 1
LARGEST_GAS: Final = (1 << 63) - 1
MOVES_COINS: Final = frozenset({"call", "create", "create2", "selfdestruct"})
"""The others keep the value of the call around them, or send it to themselves."""
TRACER: Final[dict[str, Any]] = {"tracer": "callTracer", "timeout": "20s"}


class Frame(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One call of callTracer's tree."""

    type: str
    from_: str = msgspec.field(name="from")
    to: str | None = None
    value: str | None = None
    gas: str = "0x0"
    gas_used: str = "0x0"
    input: str = "0x"
    output: str | None = None
    error: str | None = None
    calls: tuple["Frame", ...] = ()


class Traced(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One transaction of ``debug_traceBlockByHash``."""

    result: Frame | None = None
    tx_hash: str | None = None
    error: str | None = None


class Action(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What one call of ``trace_block`` was."""

    call_type: str | None = None
    creation_method: str | None = None
    from_: str | None = msgspec.field(name="from", default=None)
    to: str | None = None
    value: str | None = None
    gas: str = "0x0"
    input: str | None = None
    init: str | None = None
    address: str | None = None
    """Of what destroys itself; its coins, ``balance``, go to ``refund_address``."""
    refund_address: str | None = None
    balance: str | None = None


class Returned(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What a call of ``trace_block`` came to."""

    gas_used: str = "0x0"
    output: str | None = None
    address: str | None = None
    code: str | None = None


class FlatTrace(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One entry of ``trace_block``."""

    type: str
    action: Action
    block_hash: str
    trace_address: tuple[int, ...] = ()
    transaction_hash: str | None = None
    transaction_position: int | None = None
    result: Returned | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """One call in a transaction."""

    transaction_index: int
    transaction_hash: bytes
    path: tuple[int, ...]
    """Empty for the outermost call."""
    kind: str
    sender: bytes
    recipient: bytes | None
    value: int
    gas: int
    gas_used: int
    input: bytes
    output: bytes
    error: str | None
    reverted: bool


def of_tracer(answers: Sequence[Traced], hashes: Sequence[bytes]) -> list[Trace]:
    """The calls of a block's transactions, in order.

    Raises:
        ValueError: the answer does not fit the block, or is malformed.
    """
    if len(answers) != len(hashes):
        raise ValueError(f"{len(hashes)} transactions, {len(answers)} traces")
    found: list[Trace] = []
    for index, (answer, transaction_hash) in enumerate(zip(answers, hashes, strict=True)):
        if answer.result is None:
            raise ValueError(f"transaction {index} was not traced: {answer.error}")
        if answer.tx_hash is not None and unhex(answer.tx_hash, HASH_BYTES) != transaction_hash:
            raise ValueError(f"transaction {index} is another")
        found += _walked(answer.result, index, transaction_hash)
    return found


def _walked(root: Frame, index: int, transaction_hash: bytes) -> Iterator[Trace]:
    """Depth first, without recursion: a contract may call a thousand deep."""
    waiting: list[tuple[Frame, tuple[int, ...], bool]] = [(root, (), False)]
    while waiting:
        frame, path, inside = waiting.pop()
        reverted = inside or frame.error is not None
        yield Trace(
            index,
            transaction_hash,
            path,
            frame.type.lower(),
            unhex(frame.from_, ADDRESS),
            _address(frame.to),
            quantity(frame.value or "0x0", LARGEST_WORD),
            quantity(frame.gas, LARGEST_GAS),
            quantity(frame.gas_used, LARGEST_GAS),
            unhex(frame.input),
            unhex(frame.output or "0x"),
            frame.error,
            reverted,
        )
        waiting += [(frame.calls[at], (*path, at), reverted) for at in reversed(range(len(frame.calls)))]


def of_flat(answers: Iterable[FlatTrace], block_hash: bytes) -> list[Trace]:
    """The calls of a block; block rewards are none.

    Raises:
        ValueError: the answer is of another block, or malformed.
    """
    found: list[Trace] = []
    failed: set[tuple[int, tuple[int, ...]]] = set()
    for answer in answers:
        if unhex(answer.block_hash, HASH_BYTES) != block_hash:
            raise ValueError("the traces are of another block")
        if answer.transaction_hash is None or answer.transaction_position is None:
            continue
        index, path = answer.transaction_position, answer.trace_address
        around = any((index, path[:depth]) in failed for depth in range(len(path)))
        if answer.error is not None:
            failed.add((index, path))
        found.append(_flat(answer, index, reverted=around or answer.error is not None))
    return found


def _flat(answer: FlatTrace, index: int, *, reverted: bool) -> Trace:
    action, result = answer.action, answer.result or Returned()
    destroys = answer.type in ("suicide", "selfdestruct")
    creates = answer.type == "create"
    kind = "selfdestruct" if destroys else (action.creation_method or "create") if creates else action.call_type
    recipient = action.refund_address if destroys else result.address if creates else action.to
    return Trace(
        index,
        unhex(answer.transaction_hash or "", HASH_BYTES),
        answer.trace_address,
        (kind or "call").lower(),
        unhex((action.address if destroys else action.from_) or "", ADDRESS),
        _address(recipient),
        quantity((action.balance if destroys else action.value) or "0x0", LARGEST_WORD),
        quantity(action.gas, LARGEST_GAS),
        quantity(result.gas_used, LARGEST_GAS),
        unhex((action.init if creates else action.input) or "0x"),
        unhex((result.code if creates else result.output) or "0x"),
        answer.error,
        reverted,
    )


def _address(text: str | None) -> bytes | None:
    return None if text is None else unhex(text, ADDRESS)
