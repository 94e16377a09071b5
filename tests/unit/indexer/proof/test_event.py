"""Event proofs: they hold for what is there, and nothing that was changed gets through."""

import random
from typing import Any

import msgspec
import pytest

from indexer.proof import event
from indexer.proof.errors import ProofInvalid, ReceiptsDisagree
from indexer.proof.event import EventProof
from tests.unit.indexer.proof import made

HEADER, RECEIPTS = made.block()
PROVED = {"header", "block_hash", "block_number", "transaction_index", "receipt", "nodes", "log_position", "address",
          "topics", "data", "format"}  # fmt: skip


def proof_of(log_index: int) -> EventProof:
    found = event.build(1, HEADER, RECEIPTS, log_index)
    assert found is not None
    return found


def test_verify__every_log_of_a_block__holds() -> None:
    for log_index, entry in enumerate(made.entries(RECEIPTS)):
        proof = event.read(event.document(proof_of(log_index)))
        shown = event.verify(proof, bytes.fromhex(HEADER.hash[2:]))
        assert shown.log == entry
        assert shown.block_number == made.NUMBER
        assert RECEIPTS[shown.transaction_index].logs[shown.log_position].log_index == hex(log_index)


def test_build__log_that_is_not_there__gives_none() -> None:
    assert event.build(1, HEADER, RECEIPTS, len(made.entries(RECEIPTS))) is None


def test_build__receipts_of_another_block__is_refused() -> None:
    with pytest.raises(ReceiptsDisagree):
        event.build(1, HEADER, RECEIPTS[:-1], 0)


def test_verify__another_block_than_the_reader_knows__is_refused() -> None:
    with pytest.raises(ProofInvalid, match="is of block"):
        event.verify(proof_of(3), bytes(32))


def mutations(proof: EventProof, source: random.Random) -> list[dict[str, Any]]:
    """One change in each place of what is proved."""
    changed: list[dict[str, Any]] = []
    for name in sorted(PROVED):
        value = getattr(proof, name)
        if isinstance(value, int):
            changed += [{name: value + 1}, {name: -1}, {name: value + 2**64}]
        elif isinstance(value, str):
            changed += [{name: text} for text in texts(value, source)]
        else:
            changed += [{name: value[:-1]}, {name: (*value, "0x" + "00" * 32)}, {name: value[::-1] + value[:1]}]
            for at, text in enumerate(value):
                changed += [{name: (*value[:at], other, *value[at + 1 :])} for other in texts(text, source)]
    return changed


def texts(text: str, source: random.Random) -> list[str]:
    places = [source.randrange(2, len(text)) for _ in range(20)] if len(text) > 2 else []
    flipped = [text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :] for at in places]
    return [*flipped, text + "00", text[:-2], "0x", "", "0xzz"] if len(text) > 2 else [text + "00", "x"]


@pytest.mark.parametrize("log_index", [0, 7, 30, 58])
def test_verify__any_change_of_what_is_proved__is_refused(log_index: int) -> None:
    proof = proof_of(log_index)
    tried = 0
    for change in mutations(proof, random.Random(log_index)):
        mutated = msgspec.structs.replace(proof, **change)
        if mutated == proof:
            continue
        with pytest.raises(ProofInvalid):
            event.verify(mutated)
        tried += 1
    assert tried > 100


@pytest.mark.parametrize("document", [b"", b"{}", b"[]", b"\xff", b'{"format":1}', b"[" * 100_000])
def test_read__anything_else__is_refused(document: bytes) -> None:
    with pytest.raises(ProofInvalid):
        event.read(document)
