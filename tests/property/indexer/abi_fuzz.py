"""Random ABI events, decoded by the indexer and by eth-abi, whole and damaged.

    python -m tests.property.indexer.abi_fuzz --values 1000000 --seed 1

Whole events must come out value for value. Of damaged ones, whatever both read must be the same, and what only the
indexer reads (eth-abi wants zeros behind bytes, to a whole word) must be what the specification's rules give, read
one after the other without a check.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
from eth_abi.abi import decode as their_decode
from eth_abi.abi import encode
from msgspec import json

from indexer.abi_types import AbiType, Array, Blob, Kind, Scalar, Tuple, head_bytes, is_dynamic
from indexer.arrays import OIDS
from indexer.decode import Rows, decode
from indexer.directory import Schema, directory_of
from indexer.event import Argument, Event, event_of
from indexer.logs import Logs
from tests.unit.indexer.logs import ADDRESS

SCALARS = (
    *(f"{sign}int{bits}" for sign in ("u", "") for bits in range(8, 257, 8)),
    *(f"bytes{size}" for size in range(1, 33)),
    "address", "address", "bool", "bool", "uint256", "uint256",
)  # fmt: skip
TEXTS = ("", "a", "Grüße", "电", "x" * 31, "y" * 32, "z" * 33, "\U0001f600" * 9)
STRICTER = ("is larger than", "not text", "is not a valid", "bytes of data, not", "starts at", "ends at", "elements in")
"""Reasons for which the indexer may refuse what eth-abi reads."""


@dataclass
class Count:
    """What a run has compared."""

    events: int = 0
    values: int = 0
    damaged: int = 0
    read_by_both: int = 0
    refused_by_both: int = 0
    lenient: int = 0
    stricter: dict[str, int] = field(default_factory=dict)


def random_type(random: Random, depth: int = 0) -> dict[str, Any]:
    roll = random.random()
    if depth >= 3 or roll < 0.45:
        return {"type": random.choice(SCALARS)}
    if roll < 0.6:
        return {"type": random.choice(("bytes", "string"))}
    if roll < 0.85:
        item = random_type(random, depth + 1)
        return {**item, "type": item["type"] + random.choice(("[]", "[]", f"[{random.randint(1, 3)}]"))}
    parts = [{**random_type(random, depth + 1), "name": f"c{at}"} for at in range(random.randint(1, 3))]
    return {"type": "tuple", "components": parts}


def random_value(random: Random, kind: AbiType) -> Any:
    """As eth-abi takes and gives it."""
    match kind:
        case Blob(is_text):
            return random.choice(TEXTS) if is_text else random.randbytes(random.choice((0, 1, 31, 32, 33, 70)))
        case Array(item, length):
            count = random.randint(0, 4) if length is None else length
            return tuple(random_value(random, item) for _ in range(count))
        case Tuple(items):
            return tuple(random_value(random, item) for item in items)
        case _:
            return random_scalar(random, kind)


def random_scalar(random: Random, kind: Scalar) -> Any:
    match kind.kind:
        case Kind.ADDRESS:
            return "0x" + random.randbytes(20).hex()
        case Kind.BOOLEAN:
            return random.random() < 0.5
        case Kind.FIXED_BYTES:
            return random.randbytes(kind.size)
        case _:
            bits = 8 * kind.size
            low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if kind.signed else (0, (1 << bits) - 1)
            return random.choice((low, high, 0, random.randint(low, high), random.randint(max(low, -9), min(high, 9))))


def random_event(random: Random) -> Event:
    inputs: list[dict[str, Any]] = []
    for at in range(random.randint(1, 5)):
        indexed = sum(part["indexed"] for part in inputs) < 3 and random.random() < 0.3
        inputs.append({**random_type(random), "name": f"a{at}", "indexed": indexed})
    return event_of("Fuzz", {"type": "event", "name": "E", "inputs": inputs, "anonymous": random.random() < 0.1})


def leaves(value: Any) -> int:
    return sum(map(leaves, value)) if isinstance(value, tuple) else 1


def unwired(shape: AbiType, column: Any, at: int) -> Any:
    """A value of a decoded column, as eth-abi gives it."""
    value = column[at]
    match shape:
        case Scalar():
            return scalar_of(shape, int(value) if shape.kind is Kind.INTEGER else value.tobytes())
        case Blob(is_text):
            return value.decode() if is_text else value
        case Array(item, _) if isinstance(item, Scalar | Blob):
            return tuple(array_of(item, value))
        case _:
            assert value[:1] == b"\x01"
            return from_json(shape, json.decode(value[1:]))


def scalar_of(shape: Scalar, value: Any) -> Any:
    match shape.kind:
        case Kind.ADDRESS:
            return "0x" + value.hex()
        case Kind.BOOLEAN:
            return value == b"\x01"
        case Kind.UNSIGNED | Kind.SIGNED:
            return int.from_bytes(value, "big", signed=shape.signed)
        case _:
            return value


def array_of(item: Scalar | Blob, wire: bytes) -> list[Any]:
    """Reads PostgreSQL's array_send."""
    dimensions, nulls, oid = (int.from_bytes(wire[at : at + 4], "big") for at in (0, 4, 8))
    kind = item.kind if isinstance(item, Scalar) else (Kind.TEXT if item.is_text else Kind.BYTES)
    assert (nulls, oid) == (0, OIDS[kind])
    if not dimensions:
        assert len(wire) == 12
        return []
    count, lower = int.from_bytes(wire[12:16], "big"), int.from_bytes(wire[16:20], "big")
    assert (dimensions, lower) == (1, 1)
    found, at = [], 20
    for _ in range(count):
        length = int.from_bytes(wire[at : at + 4], "big")
        found.append(element_of(item, wire[at + 4 : at + 4 + length]))
        at += 4 + length
    assert at == len(wire)
    return found


def element_of(item: Scalar | Blob, value: bytes) -> Any:
    if isinstance(item, Blob):
        return value.decode() if item.is_text else value
    match item.kind:
        case Kind.INTEGER:
            return int.from_bytes(value, "big", signed=True)
        case Kind.UNSIGNED | Kind.SIGNED:
            digits = [int.from_bytes(value[at : at + 2], "big") for at in range(8, len(value), 2)]
            number = 0
            for digit in digits:
                number = number * 10_000 + digit
            assert int.from_bytes(value[2:4], "big") == len(digits) - 1
            return -number if value[4:6] == b"\x40\x00" else number
        case _:
            return scalar_of(item, value)


def from_json(shape: AbiType, value: Any) -> Any:
    match shape:
        case Array(item, _):
            return tuple(from_json(item, part) for part in value)
        case Tuple(items, names):
            parts = [value[name] for name in names] if isinstance(value, dict) else value
            return tuple(from_json(item, part) for item, part in zip(items, parts, strict=True))
        case Blob(is_text):
            return value if is_text else bytes.fromhex(value[2:])
        case Scalar(_, Kind.FIXED_BYTES):
            return bytes.fromhex(value[2:])
        case Scalar(_, Kind.ADDRESS | Kind.BOOLEAN):
            return value
        case _:
            return int(value)


def logs_of(event: Event, topics: Sequence[Sequence[bytes]], bodies: Sequence[bytes]) -> Logs:
    count = len(bodies)
    words = np.zeros((count, 4, 32), dtype=np.uint8)
    for at, row in enumerate(topics):
        for place, topic in enumerate(row):
            words[at, place] = np.frombuffer(topic, dtype=np.uint8)
    numbers = np.arange(count, dtype=np.int64)
    emitters = np.tile(np.frombuffer(ADDRESS, np.uint8), (count, 1))
    return Logs(
        numbers, numbers, np.zeros((count, 32), np.uint8), numbers, emitters,
        np.full(count, len(topics[0]), np.uint8), words, np.frombuffer(b"".join(bodies), np.uint8),
        np.cumsum([0, *map(len, bodies)]),
    )  # fmt: skip


def ours(
    event: Event, topics: Sequence[Sequence[bytes]], bodies: Sequence[bytes]
) -> tuple[Rows | None, dict[int, str]]:
    """Rows, and the reasons of those logs that are none, by position. Every log must be in one of the two."""
    decoded = decode(logs_of(event, topics, bodies), directory_of([(ADDRESS, Schema((event,)), 0)]))
    rows = decoded.rows[0] if decoded.rows else None
    bad = {kept.log.block_number: kept.reason for kept in decoded.undecoded}
    read = [] if rows is None else rows.block_number.tolist()
    assert sorted([*read, *bad]) == list(range(len(bodies)))
    return rows, bad


def check_event(random: Random, count: Count, logs: int = 6) -> None:
    """One event with several logs, whole and then damaged."""
    event = random_event(random)
    plain = [(a, a.shape) for a in event.plain if a.shape is not None]
    types = [a.abi_type for a, _ in plain]
    values = [[random_value(random, shape) for _, shape in plain] for _ in range(logs)]
    bodies = [encode(types, row) for row in values]
    topics, raw = [], []
    for _ in range(logs):
        marks = [random_scalar(random, a.shape) for a in event.indexed if isinstance(a.shape, Scalar)]
        names = [a.shape.name for a in event.indexed if isinstance(a.shape, Scalar)]
        raw.append(marks)
        head = [] if event.anonymous else [event.topic]
        topics.append(head + [encode([name], [mark]) for name, mark in zip(names, marks, strict=True)])
    rows, bad = ours(event, topics, bodies)
    assert rows is not None, (event.signature, bad)
    assert not bad, (event.signature, bad)
    columns = dict(zip([a.name for a in event.arguments], rows.values, strict=True))
    for at in range(logs):
        row = dict(zip([a.name for a, _ in plain], values[at], strict=True))
        row |= dict(zip([a.name for a in event.indexed], raw[at], strict=True))
        for argument in event.arguments:
            assert argument.shape is not None
            found = unwired(argument.shape, columns[argument.name], at)
            assert found == row[argument.name], (event.signature, argument.name, found, row[argument.name])
            count.values += leaves(found)
    count.events += logs
    if plain:
        check_damaged(random, event, [a for a, _ in plain], topics, bodies, count)


def damaged(random: Random, body: bytes) -> bytes:
    data = bytearray(body)
    for _ in range(random.randint(1, 3)):
        roll = random.random()
        if roll < 0.2:
            del data[random.randint(0, len(data)) :]
        elif roll < 0.3:
            data += random.randbytes(random.choice((1, 31, 32, 64)))
        elif roll < 0.6 and len(data) >= 32:
            at = 32 * random.randrange(len(data) // 32)
            near, far = random.randint(0, 2 * len(data)), 2**256 - random.randint(1, 99)
            value = random.choice((near, 32 * random.randint(0, 9), far, 2**63, 2**64))
            data[at : at + 32] = value.to_bytes(32, "big")
        elif data:
            data[random.randrange(len(data))] = random.choice((0, 1, 0x20, 0x80, 0xFF))
    return bytes(data)


def check_damaged(
    random: Random, event: Event, plain: list[Argument], topics: list[list[bytes]], bodies: list[bytes], count: Count
) -> None:
    broken = [damaged(random, body) for body in bodies]
    rows, bad = ours(event, topics, broken)
    columns = {} if rows is None else dict(zip([a.name for a in event.arguments], rows.values, strict=True))
    place = {} if rows is None else {number: at for at, number in enumerate(rows.block_number.tolist())}
    types = [a.abi_type for a in plain]
    for at, body in enumerate(broken):
        count.damaged += 1
        theirs = read_by_them(types, body)
        if at in bad:
            if theirs is None:
                count.refused_by_both += 1
            else:
                reason = next((text for text in STRICTER if text in bad[at]), None)
                assert reason is not None, (event.signature, bad[at], body.hex())
                count.stricter[reason] = count.stricter.get(reason, 0) + 1
            continue
        found = tuple(unwired(a.shape, columns[a.name], place[at]) for a in plain if a.shape is not None)
        if theirs is None:
            count.lenient += 1
            theirs = naive(Tuple(tuple(a.shape for a in plain if a.shape is not None), ()), body, 0, 0, is_outer=True)
        else:
            count.read_by_both += 1
        assert found == theirs, (event.signature, found, theirs, body.hex())
        count.values += leaves(found)


def read_by_them(types: Sequence[str], body: bytes) -> tuple[Any, ...] | None:
    """None where they refuse. They fail in more ways than they name."""
    try:
        return tuple(their_decode(types, body))
    except Exception:
        return None


def naive(shape: AbiType, data: bytes, position: int, frame: int, *, is_outer: bool = False) -> Any:
    """The value that the specification's rules give, if they give one."""
    if is_dynamic(shape) and not is_outer:
        position = frame + int.from_bytes(data[position : position + 32], "big")
    word = data[position : position + 32]
    match shape:
        case Blob(is_text):
            value = data[position + 32 : position + 32 + int.from_bytes(word, "big")]
            return value.decode() if is_text else value
        case Array(item, length):
            count = int.from_bytes(word, "big") if length is None else length
            position += 32 * (length is None)
            step = head_bytes(item)
            return tuple(naive(item, data, position + at * step, position) for at in range(count))
        case Tuple(items):
            places = [position + sum(head_bytes(item) for item in items[:at]) for at in range(len(items))]
            return tuple(naive(item, data, at, position) for item, at in zip(items, places, strict=True))
        case Scalar(_, Kind.FIXED_BYTES, size):
            return word[:size]
        case Scalar(_, Kind.ADDRESS):
            return "0x" + word[12:].hex()
        case Scalar(_, Kind.BOOLEAN):
            return word[31] == 1
        case _:
            return int.from_bytes(word, "big", signed=shape.signed)


def run(seed: int, values: int) -> Count:
    """Compares until there are as many values."""
    random, count = Random(seed), Count()
    while count.values < values:
        check_event(random, count)
    return count


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--values", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options: Any = parser.parse_args(arguments)
    start = time.perf_counter()
    count = run(options.seed, options.values)
    print(f"seed {options.seed}: {count} in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
