"""Answers of batches, in whatever order and shape endpoints give them."""

from typing import Any

import msgspec
import pytest

from indexer import jsonrpc
from indexer.errors import RpcRefused
from indexer.jsonrpc import Call, Limited, Unusable, decode, results

CALLS = [Call("eth_getLogs"), Call("eth_getBlockByNumber")]
LONG = [{"topics": ["0x1"], "data": "0x" + "ab" * 400} for _ in range(300)]


def text(value: Any) -> bytes:
    return msgspec.json.encode(value)


@pytest.mark.parametrize("order", [[1, 2], [2, 1]])
def test_results__long_list__is_handed_back_as_it_stands(order: list[int]) -> None:
    values = {1: LONG, 2: {"number": "0x1", "withdrawals": [{"index": "0x0"}]}}
    answers = [{"jsonrpc": "2.0", "id": number, "result": values[number]} for number in order]
    found = results(CALLS, [1, 2], text(answers))
    assert [decode(result, Any) for result in found] == [LONG, values[2]]


def test_results__long_list_first__is_not_decoded() -> None:
    answers = [{"jsonrpc": "2.0", "id": 1, "result": LONG}, {"jsonrpc": "2.0", "id": 2, "result": None}]
    first, _ = results(CALLS, [1, 2], text(answers))
    assert isinstance(first, memoryview)


@pytest.mark.parametrize("key", ["inner", "result"])
def test_results__long_list_inside_another_value__is_decoded_all_the_same(key: str) -> None:
    answers = [{"id": 1, "result": {"a": {key: LONG}, "b": [1]}}, {"id": 2, "result": [[1], {"c": [2]}]}]
    found = results(CALLS, [1, 2], text(answers))
    assert [decode(result, Any) for result in found] == [answer["result"] for answer in answers]


def test_results__placeholder_as_a_value__is_not_mistaken() -> None:
    answers = [{"id": 1, "result": LONG}, {"id": 2, "result": "cut out"}]
    found = results(CALLS, [1, 2], text(answers))
    assert decode(found[0], Any) == LONG
    assert decode(found[1], Any) == "cut out"


def test_results__errors__stand_in_their_place() -> None:
    answers = [{"id": 2, "result": 5}, {"id": 1, "error": {"code": 3, "message": "no", "data": "0x"}}]
    first, second = results(CALLS, [1, 2], text(answers))
    assert isinstance(first, RpcRefused)
    assert (first.method, first.rpc_code, first.data) == ("eth_getLogs", 3, "0x")
    assert decode(second, int) == 5


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[",
        b"<html>",
        b"[]",
        b'{"a":1}',
        b"\xff",
        text([{"id": 1, "result": 1}]),
        text([{"id": "1"}]),
        b"[" * 99_999,
    ],
)
def test_results__no_answer__is_unusable(content: bytes) -> None:
    with pytest.raises(Unusable):
        results(CALLS, [1, 2], content)


@pytest.mark.parametrize("message", ["too many requests", "batch too large"])
def test_results__limits__are_told_apart(message: str) -> None:
    with pytest.raises(Limited) as limited:
        results(CALLS, [1, 2], text({"id": None, "error": {"code": -32600, "message": message}}))
    assert limited.value.limit.kind.value in message.replace("too many requests", "rate")


def test_encode__single__is_no_list() -> None:
    assert jsonrpc.encode(CALLS[:1], [7], single=True).startswith(b"{")
    assert jsonrpc.encode(CALLS, [7, 8]).startswith(b"[")
