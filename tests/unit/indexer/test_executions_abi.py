"""Calls and refusals as names and values."""

import json
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_hash.auto import keccak

from contracts.abi import artifact
from contracts.typed_data import checksum
from indexer.executions_abi import Abi, reason

ALICE = b"\xaa" * 20
ABI: list[dict[str, Any]] = [
    {"type": "function", "name": "move", "inputs": [
        {"name": "to", "type": "address"}, {"name": "", "type": "uint256"}, {"name": "ok", "type": "bool"}]},
    {"type": "function", "name": "batch", "inputs": [
        {"name": "orders", "type": "tuple[2][]", "components": [
            {"name": "trader", "type": "address"}, {"name": "amount", "type": "int256"}]},
        {"name": "note", "type": "string"}, {"name": "raw", "type": "bytes"}, {"name": "to", "type": "bytes4[]"}]},
    {"type": "receive"},
    {"type": "error", "name": "Short", "inputs": [
        {"name": "have", "type": "uint256"}, {"name": "want", "type": "uint256"}]},
]  # fmt: skip


def selector(signature: str) -> bytes:
    return keccak(signature.encode())[:4]


def test_called__plain_arguments__are_named_and_exact() -> None:
    data = selector("move(address,uint256,bool)") + encode(["address", "uint256", "bool"], [ALICE, 2**255, True])
    called = Abi(ABI).called(data)
    assert called.name == "move"
    assert called.arguments == {"to": checksum(ALICE), "argument1": str(2**255), "ok": True}


def test_called__tuples_arrays_and_text__are_json() -> None:
    orders = [[(ALICE, -1), (ALICE, 2)], [(ALICE, 3), (ALICE, 4)]]
    types = ["(address,int256)[2][]", "string", "bytes", "bytes4[]"]
    data = selector("batch((address,int256)[2][],string,bytes,bytes4[])")
    data += encode(types, [orders, "a\0ü", b"\1\2", [b"abcd"]])
    arguments = json.loads(json.dumps(Abi(ABI).called(data).arguments))
    assert arguments["orders"][0][0] == {"trader": checksum(ALICE), "amount": "-1"}
    assert arguments["orders"][1][1]["amount"] == "4"
    assert (arguments["note"], arguments["raw"], arguments["to"]) == ("a\\0ü", "0x0102", ["0x61626364"])


@pytest.mark.parametrize(
    ("data", "name", "arguments"),
    [
        (b"", "receive", {}),
        (b"\1\2\3\4", None, None),
        (b"\1", None, None),
        (selector("move(address,uint256,bool)") + b"\1", "move", None),
        (selector("move(address,uint256,bool)") + b"\xff" * 96, "move", None),
        (selector("batch((address,int256)[2][],string,bytes,bytes4[])") + b"\xff" * 200, "batch", None),
    ],
)
def test_called__what_does_not_decode__is_kept_without_arguments(data: bytes, name: str | None, arguments: Any) -> None:
    called = Abi(ABI).called(data)
    assert (called.name, called.arguments) == (name, arguments)


def test_reason__every_kind_of_refusal__is_told() -> None:
    abis = [Abi([]), Abi(ABI)]
    assert reason(selector("Error(string)") + encode(["string"], ["no\0!"]), abis) == "no\\0!"
    assert reason(selector("Panic(uint256)") + encode(["uint256"], [0x11]), abis) == "Panic(0x11)"
    assert reason(selector("Short(uint256,uint256)") + encode(["uint256"] * 2, [1, 2]), abis) == "Short(have=1, want=2)"
    assert reason(selector("Short(uint256,uint256)"), abis) == "Short(?)"
    assert reason(b"\1\2\3\4\5", abis) == "0x0102030405"
    assert reason(selector("Error(string)") + b"\xff" * 32, abis) == "0x08c379a0" + "ff" * 32
    assert reason(b"", abis) is None


def test_abi__every_shipped_contract__is_read() -> None:
    exchange = Abi(artifact("SettlementExchange").abi)
    assert exchange.called(selector("pause()")).name == "pause"
