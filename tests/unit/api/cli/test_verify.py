"""``gridtrace verify``: what it says of proofs that hold and of those that do not."""

import io
import json
from pathlib import Path

import msgspec
import pytest

from api.cli import main
from indexer.proof import event
from tests.unit.indexer.proof import made

HEADER, RECEIPTS = made.block()


@pytest.fixture
def document(tmp_path: Path) -> Path:
    proof = event.build(1, HEADER, RECEIPTS, 7)
    assert proof is not None
    path = tmp_path / "proof.json"
    path.write_bytes(event.document(proof))
    return path


def test_verify__proof_that_holds__says_what_is_shown(document: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.execute(["verify", str(document), "--block-hash", HEADER.hash]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("valid: log 0 of transaction 6 in block 24630100 of 2026-03-10T")
    assert "compare it" not in shown
    assert main.execute(["verify", str(document)]) == 0
    assert f"block    {HEADER.hash}  (compare it" in capsys.readouterr().out


def test_verify__as_json__keeps_what_is_told_apart(document: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.execute(["verify", str(document), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["valid"], facts["block_hash_given"], facts["block_hash"]) == (True, False, HEADER.hash)
    assert facts["told"] == {"chain_id": 1, "log_index": 7, "transaction_hash": RECEIPTS[6].transaction_hash}


def test_verify__another_block__fails(document: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.execute(["verify", str(document), "--block-hash", "0x" + "11" * 32]) == main.FAILED
    assert capsys.readouterr().err.endswith("(proof-invalid)\n")


def test_verify__changed_document__fails(document: Path, capsys: pytest.CaptureFixture[str]) -> None:
    proof = msgspec.json.decode(document.read_bytes(), type=event.EventProof)
    document.write_bytes(event.document(msgspec.structs.replace(proof, data=proof.data + "00")))
    assert main.execute(["verify", str(document)]) == main.FAILED
    assert "another log" in capsys.readouterr().err


def test_verify__from_standard_input__is_read(document: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(document.read_bytes())))
    assert main.execute(["verify", "-"]) == 0


@pytest.mark.parametrize("arguments", [["/nonexistent"], ["-", "--block-hash", "0x12"]])
def test_verify__wrong_usage__is_said_so(arguments: list[str], document: Path) -> None:
    wanted = [str(document) if argument == "-" else argument for argument in arguments]
    assert main.execute(["verify", *wanted]) == main.USAGE
