"""View functions: arguments in, typed columns out; whatever does not fit is said."""

from typing import Any

import pytest
from eth_abi.abi import encode
from eth_hash.auto import keccak

from indexer import multicall
from indexer.functions import BadArguments, Function, function_of

POINT = {
    "name": "p",
    "type": "tuple",
    "components": [{"name": "who", "type": "address"}, {"name": "n", "type": "uint256"}],
}
ABI: list[dict[str, Any]] = [
    {"type": "function", "name": "of", "stateMutability": "view", "inputs": [{"name": "who", "type": "address"}],
     "outputs": [{"name": "", "type": "uint64"}, {"name": "who", "type": "string"}, POINT,
                 {"name": "list", "type": "int8[]"}]},
    {"type": "function", "name": "of", "stateMutability": "view", "inputs": [], "outputs": []},
    {"type": "function", "name": "set", "stateMutability": "nonpayable", "inputs": [], "outputs": []},
    {"type": "event", "name": "Of", "inputs": []},
]  # fmt: skip
ALICE = b"\xaa" * 20


def of() -> Function:
    return function_of(ABI, "of(address)")


def test_function_of__columns__are_named_apart_and_typed() -> None:
    function = of()
    assert [(p.column, p.sql_type) for p in (*function.inputs, *function.outputs)] == [
        ("who", "bytea"), ("value0", "numeric(20, 0)"), ("who_", "text"), ("p", "jsonb"), ("list", "bigint[]"),
    ]  # fmt: skip
    assert not function.changes_state
    assert function_of(ABI, "set").changes_state


@pytest.mark.parametrize(
    ("name", "told"), [("no", "no function no"), ("of", "stands for several"), ("Of", "no function")]
)
def test_function_of__none_or_several__is_refused(name: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        function_of(ABI, name)


def test_calldata__address_as_bytes_or_text__is_the_same() -> None:
    expected = keccak(b"of(address)")[:4] + ALICE.rjust(32, b"\0")
    assert of().calldata([ALICE]) == of().calldata(["0x" + ALICE.hex()]) == expected


@pytest.mark.parametrize("arguments", [[], [ALICE, ALICE], ["0x12"], [5], [None]])
def test_calldata__arguments_that_do_not_fit__are_refused(arguments: list[Any]) -> None:
    with pytest.raises(BadArguments, match=r"of\(address\)"):
        of().calldata(arguments)


def test_returned__values__are_plain_and_as_columns() -> None:
    types = ["uint64", "string", "(address,uint256)", "int8[]"]
    data = encode(types, [2**64 - 1, "a\0b", (ALICE, 2**255), [-1, 2]])
    assert of().returned(data) == (2**64 - 1, "a\0b", {"who": ALICE, "n": 2**255}, [-1, 2])
    point = {"who": "0x" + ALICE.hex(), "n": str(2**255)}
    assert of().columns(data) == (2**64 - 1, "a\\0b", point, [-1, 2])


@pytest.mark.parametrize("data", [b"", b"\0" * 31, b"\xff" * 128])
def test_returned__not_what_the_abi_says__is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="what its ABI does not say"):
        of().returned(data)


def test_multicall__answer__is_taken_only_for_as_many_calls() -> None:
    answer = encode(["(bool,bytes)[]"], [[(True, b"\x05"), (False, b"")]])
    assert multicall.results(answer, 2) == [(True, b"\x05"), (False, b"")]
    assert multicall.results(answer, 3) is None
    assert multicall.results(b"\xff" * 64, 1) is None
    assert multicall.calldata([(ALICE, b"\x01")])[:4].hex() == "82ad56cb"  # aggregate3, as Multicall3's ABI has it
