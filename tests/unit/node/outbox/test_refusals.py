"""Words of real nodes, and what follows from them."""

import pytest

from node.outbox.refusals import Verdict, is_failure, reason, revert_data, verdict
from node.outbox.rpc import RpcError


def refusal(message: str, code: int = -32_000, data: object = None) -> RpcError:
    return RpcError("eth_method", {"code": code, "message": message, "data": data})


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("already known", Verdict.KNOWN),  # geth
        ("transaction already imported", Verdict.KNOWN),  # anvil
        ("nonce too low: next nonce 5, tx nonce 3", Verdict.NONCE_USED),
        ("replacement transaction underpriced", Verdict.TOO_CHEAP),
        ("transaction underpriced: tip needed 1, tip permitted 0", Verdict.TOO_CHEAP),
        ("max fee per gas less than block base fee: address 0x…, maxFeePerGas: 1, baseFee: 7", Verdict.TOO_CHEAP),
        ("max fee per gas less than block base fee", Verdict.TOO_CHEAP),
        ("intrinsic gas too low: gas 20000, minimum needed 21000", Verdict.NEVER),
        ("exceeds block gas limit", Verdict.NEVER),
        ("transaction gas limit too high (cap: 16777216, tx: 20000000)", Verdict.NEVER),
        ("insufficient funds for gas * price + value", Verdict.LATER),
        ("txpool is full", Verdict.LATER),
    ],
)
def test_verdict__words_of_nodes__understood(message: str, expected: Verdict) -> None:
    assert verdict(refusal(message)) is expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (refusal("execution reverted", 3, "0x"), True),
        (refusal("execution reverted: no"), True),
        (refusal("EVM error StackUnderflow", -32_603), True),
        (refusal("gas required exceeds allowance (30000000)"), True),
        (refusal("insufficient funds for gas * price + value"), False),
        (refusal("header not found"), False),
        (refusal("missing trie node"), False),
    ],
)
def test_is_failure__words_of_nodes__understood(error: RpcError, expected: bool) -> None:
    assert is_failure(error) is expected


@pytest.mark.parametrize(
    "data", ["0xd92e233d", {"data": "0xd92e233d"}, "Reverted 0xd92e233d", {"data": {"data": "0xd92e233d"}}]
)
def test_reason__places_of_the_data__decoded(data: object) -> None:
    assert reason(refusal("execution reverted", 3, data)) == "ZeroAddress()"


@pytest.mark.parametrize("data", [None, "", "0x", 7, {}, [], "0xzz"])
def test_reason__no_data__words_of_the_node(data: object) -> None:
    assert revert_data(refusal("x", data=data)) == b""
    assert reason(refusal("execution reverted", 3, data)) == "execution reverted"
