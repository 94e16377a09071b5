"""Calls are encoded as eth-abi and the selectors of well-known functions say."""

import pytest
from eth_abi.abi import encode

from contracts.abi import (
    ARTIFACTS,
    AbiMismatch,
    artifact,
    creation_code,
    decode_result,
    encode_call,
    selector,
    signature,
    type_name,
)

ADDRESS = b"\x01" * 20


def test_encode_call__well_known_function__known_bytes() -> None:
    found = encode_call("PaymentToken", "transfer", ADDRESS, 258)
    assert found.hex() == "a9059cbb" + "00" * 12 + "01" * 20 + "00" * 30 + "0102"
    assert selector("PaymentToken", "transfer").hex() == "a9059cbb"


def test_encode_call__struct_and_bytes__as_tuple() -> None:
    fields = (ADDRESS, 1, 2, 3, 4)
    found = encode_call("SettlementExchange", "setMandate", fields, b"\x07" * 65)
    types = ["(address,uint64,uint64,uint32,uint32)", "bytes"]
    assert found[4:] == encode(types, [fields, b"\x07" * 65])


@pytest.mark.parametrize(
    ("contract", "function", "arguments"),
    [
        ("Nothing", "transfer", ()),
        ("../EnergyToken", "transfer", ()),
        ("PaymentToken", "fly", ()),
        ("PaymentToken", "transfer", (ADDRESS,)),
        ("PaymentToken", "transfer", (ADDRESS, -1)),
        ("PaymentToken", "transfer", (b"\x01", 1)),
        ("PaymentToken", "transfer", (None, 1)),
    ],
)
def test_encode_call__unknown_or_unfit__refused(contract: str, function: str, arguments: tuple[object, ...]) -> None:
    with pytest.raises(AbiMismatch):
        encode_call(contract, function, *arguments)


def test_decode_result__struct__values_in_order() -> None:
    data = encode(["uint256", "uint256", "uint48"], [1, 2, 3])
    assert decode_result("SettlementExchange", "accountOf", data) == (1, 2, 3)
    with pytest.raises(AbiMismatch, match="accountOf"):
        decode_result("SettlementExchange", "accountOf", data[:-1])


def test_creation_code__arguments__after_the_bytecode() -> None:
    found = creation_code("PaymentToken", ADDRESS)
    assert found == artifact("PaymentToken").bytecode + bytes(12) + ADDRESS
    with pytest.raises(AbiMismatch):
        creation_code("PaymentToken")


def test_type_name__struct_array__canonical() -> None:
    parameter = {"type": "tuple[]", "components": [{"type": "address"}, {"type": "uint64"}]}
    assert type_name(parameter) == "(address,uint64)[]"
    assert signature({"name": "f", "inputs": [parameter]}) == "f((address,uint64)[])"


@pytest.mark.parametrize("name", ARTIFACTS)
def test_artifact__each_contract__complete(name: str) -> None:
    found = artifact(name)
    assert found.name == name
    assert len(found.bytecode) > len(found.deployed_bytecode) > 0
    assert "0.8.35" in found.compiler
