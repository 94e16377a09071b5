"""Trees of calls become rows; what does not fit its block is refused."""

from typing import Any

import msgspec
import pytest

from indexer import jsonrpc, record_blocks
from indexer.call_traces import FlatTrace, Traced, of_flat, of_tracer
from indexer.jsonrpc import Call

BLOCK, SENT = b"\x01" * 32, b"\x02" * 32
A, B, C = ("0x" + letter * 40 for letter in "abc")


def frame(sender: str, to: str, *calls: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "CALL", "from": sender, "to": to, "value": "0x5", "input": "0x", "calls": list(calls), **more}


def traced(root: dict[str, Any], transaction: bytes = SENT) -> list[Traced]:
    return msgspec.convert([{"txHash": "0x" + transaction.hex(), "result": root}], list[Traced])


def test_of_tracer__failed_call__takes_all_inside_it_with_it() -> None:
    inner = frame(B, C, frame(C, A), error="out of gas")
    found = of_tracer(traced(frame(A, B, inner, frame(B, A))), [SENT])
    assert [(t.path, t.reverted) for t in found] == [((), False), ((0,), True), ((0, 0), True), ((1,), False)]
    assert (found[0].kind, found[0].value, found[1].error) == ("call", 5, "out of gas")


def test_of_tracer__thousand_calls_deep__is_walked() -> None:
    record_blocks.allow_deep()
    plain = msgspec.json.encode(frame(A, B))
    head, tail = plain[: -len(b"]}")], b"]}"
    root = head * 1_024 + plain + tail * 1_024
    answer = b'[{"jsonrpc":"2.0","id":1,"result":[{"result":' + root + b"}]}]"
    (result,) = jsonrpc.results([Call("debug_traceBlockByHash")], [1], answer)
    found = of_tracer(jsonrpc.decode(result, list[Traced]), [SENT])
    assert len(found) == 1_025
    assert found[-1].path == (0,) * 1_024


def test_of_tracer__selfdestruct__moves_the_coins_to_its_heir() -> None:
    (gone,) = of_tracer(traced(frame(A, B, type="SELFDESTRUCT", value="0x9")), [SENT])
    assert (gone.kind, gone.recipient, gone.value) == ("selfdestruct", bytes.fromhex(B[2:]), 9)


@pytest.mark.parametrize(
    ("answers", "hashes", "told"),
    [
        (traced(frame(A, B)), [], "0 transactions, 1 traces"),
        (traced(frame(A, B)), [BLOCK], "transaction 0 is another"),
        ([Traced(error="timeout")], [SENT], "transaction 0 was not traced: timeout"),
        (traced(frame("0x12", B)), [SENT], "not 20 bytes"),
    ],
)
def test_of_tracer__what_does_not_fit__is_refused(answers: list[Traced], hashes: list[bytes], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        of_tracer(answers, hashes)


def flat(kind: str, path: list[int], action: dict[str, Any], **more: Any) -> FlatTrace:
    entry = {
        "type": kind, "traceAddress": path, "blockHash": "0x" + BLOCK.hex(), "transactionHash": "0x" + SENT.hex(),
        "transactionPosition": 3, "action": action, **more,
    }  # fmt: skip
    return msgspec.convert(entry, FlatTrace)


def test_of_flat__every_kind__is_told_as_the_tracer_tells_it() -> None:
    call = {"callType": "delegatecall", "from": A, "to": B, "value": "0x1", "input": "0x01"}
    found = of_flat(
        [
            flat("call", [], call, error="Reverted"),
            flat("create", [0], {"from": B, "init": "0x60", "value": "0x0"}, result={"address": C, "code": "0x00"}),
            flat("suicide", [1], {"address": C, "refundAddress": A, "balance": "0x7"}),
            flat("reward", [], {}, transactionHash=None, transactionPosition=None),
        ],
        BLOCK,
    )
    assert [(t.kind, t.path, t.reverted, t.value) for t in found] == [
        ("delegatecall", (), True, 1), ("create", (0,), True, 0), ("selfdestruct", (1,), True, 7),
    ]  # fmt: skip
    assert (found[1].recipient, found[1].output) == (bytes.fromhex(C[2:]), b"\0")
    assert (found[2].sender, found[2].recipient) == (bytes.fromhex(C[2:]), bytes.fromhex(A[2:]))


def test_of_flat__another_block__is_refused() -> None:
    with pytest.raises(ValueError, match="of another block"):
        of_flat([flat("call", [], {"callType": "call", "from": A, "to": B})], SENT)
