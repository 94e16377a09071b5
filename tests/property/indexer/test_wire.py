"""Cutting an answer into columns gives what a JSON decoder gives, or refuses what it refuses."""

import json
from dataclasses import fields
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer import wire
from indexer.errors import Disagreement
from indexer.wire import Page, read_logs

ORDERS = (
    ("address", "topics", "data", "blockHash", "blockNumber", "blockTimestamp", "transactionHash",
     "transactionIndex", "logIndex", "removed"),
    ("address", "topics", "data", "blockNumber", "transactionHash", "transactionIndex", "blockHash", "logIndex",
     "removed"),
    ("blockHash", "address", "logIndex", "data", "removed", "topics", "blockNumber", "transactionLogIndex",
     "transactionIndex", "transactionHash"),
)  # fmt: skip
"""As anvil, geth, and an older client write them."""


def hexadecimal(random: Random, width: int) -> str:
    return "0x" + random.randbytes(width).hex()


def answer(random: Random, order: tuple[str, ...], count: int, *, dynamic: bool) -> list[dict[str, Any]]:
    logs = []
    for index in range(count):
        width = 32 * random.randint(0, 3) if dynamic else 32
        log = {
            "address": hexadecimal(random, 20),
            "topics": [hexadecimal(random, 32) for _ in range(random.randint(0, 4) if dynamic else 3)],
            "data": hexadecimal(random, width),
            "blockHash": hexadecimal(random, 32),
            "blockNumber": hex(random.choice((7, 300, 70_000))),
            "blockTimestamp": hex(random.randint(1, 2**34)),
            "transactionHash": hexadecimal(random, 32),
            "transactionIndex": hex(random.randint(0, 300)),
            "transactionLogIndex": "0x1",
            "logIndex": hex(index),
            "removed": False,
        }
        logs.append({key: log[key] for key in order})
    return logs


def same(one: Page, other: Page) -> bool:
    arrays = [(getattr(one.logs, f.name), getattr(other.logs, f.name)) for f in fields(one.logs)]
    return all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in [*arrays, (one.block_hash, other.block_hash)])


def outcome(read: Any, text: bytes) -> Page | str:
    try:
        page: Page = read(text)
    except Disagreement:
        return "refused"
    return page


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(ORDERS), st.integers(1, 90), st.booleans())
def test_read_logs__any_layout__is_what_the_decoder_says(
    seed: int, order: tuple[str, ...], count: int, dynamic: bool
) -> None:
    text = json.dumps(answer(Random(seed), order, count, dynamic=dynamic), separators=(",", ":")).encode()
    assert same(read_logs(text), wire._parse(text))


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(ORDERS), st.data())
def test_read_logs__one_byte_changed__is_refused_as_the_decoder_does(
    seed: int, order: tuple[str, ...], data: st.DataObject
) -> None:
    text = bytearray(json.dumps(answer(Random(seed), order, 60, dynamic=False), separators=(",", ":")).encode())
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] = data.draw(st.sampled_from(b'0aFz"{}[],:\\ x\xff'))
    cut, parsed = outcome(read_logs, bytes(text)), outcome(wire._parse, bytes(text))
    if isinstance(cut, Page) and isinstance(parsed, Page):
        assert same(cut, parsed)
    else:
        assert cut == parsed


def test_cut__answers_of_large_nodes__take_the_short_way() -> None:
    for order in ORDERS:
        logs = answer(Random(1), order, 500, dynamic=False)
        for index, log in enumerate(logs):
            log |= {"blockNumber": hex(20_000_000 + index // 200), "transactionIndex": hex(index // 3)}
            log |= {"blockTimestamp": "0x68000000"} if "blockTimestamp" in log else {}
        text = json.dumps(logs, separators=(",", ":")).encode()
        assert wire._cut(np.frombuffer(text, dtype=np.uint8)) is not None, order


@pytest.mark.parametrize("text", [b"[]", b" [ ] "])
def test_read_logs__nothing__is_empty(text: bytes) -> None:
    assert len(read_logs(text).logs) == 0


@pytest.mark.parametrize("text", [b"null", b"{}", b"[{}]", b'"0x"', b"[", b""])
def test_read_logs__no_list_of_logs__is_refused(text: bytes) -> None:
    with pytest.raises(Disagreement):
        read_logs(text)
