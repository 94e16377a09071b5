"""``gridtrace verify``: checks the proof that an event is in a block, with nothing but the document itself."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from indexer.errors import ConfigError

if TYPE_CHECKING:
    from indexer.proof.event import EventProof, ProvenEvent


def verify(
    document: Annotated[
        Path, typer.Argument(help="File with the answer of /v1/ledger/events/{id}/proof; - for stdin.")
    ],
    block_hash: Annotated[
        str | None, typer.Option("--block-hash", help="The block that you know to be in the chain, 0x…")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Check offline that an event is in a block. Exit code 1: it is not shown to be.

    Without --block-hash, compare the block's hash that is printed with one from a source that you trust.
    """
    import msgspec

    from indexer.proof import event

    try:
        content = sys.stdin.buffer.read(event.MAX_BYTES + 1) if str(document) == "-" else document.read_bytes()
    except OSError as error:
        raise ConfigError([f"{document}: {error.strerror}"]) from error
    proof = event.read(content)
    shown = event.verify(proof, None if block_hash is None else parsed(block_hash))
    if as_json:
        typer.echo(msgspec.json.encode(facts(proof, shown, anchored=block_hash is not None)).decode())
    else:
        typer.echo(told(proof, shown, anchored=block_hash is not None))


def parsed(text: str) -> bytes:
    """32 bytes of ``0x…``; raises ConfigError for anything else."""
    from indexer.block import unhex

    try:
        return unhex(text, 32)
    except ValueError as error:
        raise ConfigError([f"--block-hash: {error}"]) from error


def facts(proof: "EventProof", shown: "ProvenEvent", *, anchored: bool) -> dict[str, Any]:
    """What is shown, for a program."""
    return {
        "valid": True,
        "block_hash_given": anchored,
        "block_number": shown.block_number,
        "block_hash": "0x" + shown.block_hash.hex(),
        "block_time": moment(shown),
        "transaction_index": shown.transaction_index,
        "log_position": shown.log_position,
        "address": "0x" + shown.log.address.hex(),
        "event": name_of(shown),
        "topics": ["0x" + topic.hex() for topic in shown.log.topics],
        "data": "0x" + shown.log.data.hex(),
        "told": {"chain_id": proof.chain_id, "log_index": proof.log_index, "transaction_hash": proof.transaction_hash},
    }


def told(proof: "EventProof", shown: "ProvenEvent", *, anchored: bool) -> str:
    """What is shown, for a person."""
    lines = [
        f"valid: log {shown.log_position} of transaction {shown.transaction_index} "
        f"in block {shown.block_number} of {moment(shown)}",
        f"block    0x{shown.block_hash.hex()}" + ("" if anchored else "  (compare it with one that you trust)"),
        f"contract 0x{shown.log.address.hex()}",
        f"event    {name_of(shown) or 'not one of the shipped contracts'}",
        *(f"topic {at}  0x{topic.hex()}" for at, topic in enumerate(shown.log.topics)),
        f"data     0x{shown.log.data.hex()}",
        f"told, not proved: chain {proof.chain_id}, transaction {proof.transaction_hash}, log index {proof.log_index}",
    ]
    return "\n".join(lines)


def moment(shown: "ProvenEvent") -> str:
    """The block's time as its header says."""
    return datetime.fromtimestamp(shown.timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def name_of(shown: "ProvenEvent") -> str | None:
    """The signature's name, where a shipped contract has such an event."""
    from contracts import events

    known = events.TOPICS.get(shown.log.topics[0]) if shown.log.topics else None
    return None if known is None else known.__name__
