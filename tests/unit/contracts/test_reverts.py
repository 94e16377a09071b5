"""Revert data: ours, Solidity's own, and anything else."""

import pytest
from eth_abi.abi import encode
from eth_hash.auto import keccak

from contracts.reverts import Revert, decode_revert


def data_of(signature: str, *values: object) -> bytes:
    types = signature.partition("(")[2].removesuffix(")")
    return keccak(signature.encode())[:4] + encode(types.split(",") if types else [], values)


def test_decode_revert__error_of_ours__named_with_values() -> None:
    found = decode_revert(data_of("RegisterFell(uint32,uint64,uint64)", 7, 100, 90))
    assert found == Revert("RegisterFell", {"meter_id": 7, "from_wh": 100, "to_wh": 90})
    assert str(found) == "RegisterFell(meter_id=7, from_wh=100, to_wh=90)"


def test_decode_revert__solidity_errors__told_in_words() -> None:
    assert str(decode_revert(data_of("Error(string)", "no"))) == "Error(message=no)"
    assert str(decode_revert(data_of("Panic(uint256)", 0x11))) == "Panic(code=17, meaning=arithmetic overflow)"
    assert decode_revert(data_of("Panic(uint256)", 0x99)).args["meaning"] == "unknown"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01\x02\x03",
        b"\xff" * 36,
        keccak(b"RegisterFell(uint32,uint64,uint64)")[:4] + b"\x01",
        keccak(b"Error(string)")[:4] + b"\xff" * 64,
    ],
)
def test_decode_revert__unknown_or_torn__kept_as_data(data: bytes) -> None:
    assert decode_revert(data) == Revert("Unknown", {"data": data})
