"""Makes logs of events for tests."""

from collections.abc import Mapping, Sequence
from typing import Any

from eth_abi.abi import encode

from indexer.block import Block, LogAnswer
from indexer.directory import Directory, Schema, directory_of
from indexer.event import Event, event_of
from indexer.verify import bloom_mask

ADDRESS = bytes.fromhex("11" * 20)


def event(name: str, *inputs: tuple[str, str, bool]) -> Event:
    """An event of (type, name, indexed) arguments."""
    entries = [{"type": kind, "name": label, "indexed": indexed} for kind, label, indexed in inputs]
    return event_of("Sample", {"type": "event", "name": name, "inputs": entries})


def log(of: Event, values: Mapping[str, Any], *, number: int = 1, index: int = 0, **changes: Any) -> LogAnswer:
    """The log that Solidity would write; ``changes`` replace fields of the answer."""
    topics = [] if of.anonymous else [of.topic]
    topics += [encode([a.abi_type], [values[a.name]]) for a in of.indexed]
    data = encode([a.abi_type for a in of.plain], [values[a.name] for a in of.plain])
    fields: dict[str, Any] = {
        "address": "0x" + ADDRESS.hex(),
        "topics": tuple("0x" + topic.hex() for topic in topics),
        "data": "0x" + data.hex(),
        "block_number": hex(number),
        "block_hash": "0x" + block_hash(number).hex(),
        "transaction_hash": "0x" + index.to_bytes(32, "big").hex(),
        "log_index": hex(index),
    }
    return LogAnswer(**{**fields, **changes})


def block_hash(number: int, fork: int = 0) -> bytes:
    return (number * 1_000 + fork).to_bytes(32, "big")


def block(number: int, logs: Sequence[LogAnswer] = (), *, fork: int = 0, parent_fork: int = 0) -> Block:
    """A block whose bloom filter is that of its logs."""
    bloom = 0
    for answer in logs:
        for text in (answer.address, *answer.topics):
            bloom |= bloom_mask(bytes.fromhex(text[2:]))
    parent = block_hash(number - 1, parent_fork)
    return Block(number, block_hash(number, fork), parent, 1_750_000_000, bloom.to_bytes(256, "big"), bytes(32))


def lookup(*events: Event) -> Directory:
    return directory_of([(ADDRESS, Schema(events), 0)])
