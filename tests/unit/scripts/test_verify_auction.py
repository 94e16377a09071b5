"""The stranger's verifier: its own hash, signatures and auction, and the lies that it finds."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from eth_hash.auto import keccak

from contracts.typed_data import order_digest, recover, sign
from node.market import book
from scripts import verify_auction
from tests.unit.api.cli.test_auction import DOCUMENT
from tests.unit.node.market.orders import DOMAIN, KEY, SLOT, entry, order
from tests.unit.node.market.test_rerun import HONEST, publication

SCRIPT = Path(verify_auction.__file__)


@pytest.mark.parametrize(
    ("message", "digest"),
    [  # the Keccak team's vectors for Keccak-256
        (b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        (b"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
    ],
)
def test_keccak__known_message__has_the_known_hash(message: bytes, digest: str) -> None:
    assert verify_auction.keccak(message).hex() == digest


@pytest.mark.parametrize("length", [1, 134, 135, 136, 137, 272, 1_000])
def test_keccak__around_a_block__is_that_of_the_library(length: int) -> None:
    message = bytes(i * 31 % 256 for i in range(length))
    assert verify_auction.keccak(message) == keccak(message)


def test_signer__our_signature__is_recovered_as_ours_does() -> None:
    digest = order_digest(DOMAIN, order())
    signature = sign(digest, KEY)
    assert verify_auction.signer(digest, signature) == recover(digest, signature) == order().trader
    assert verify_auction.signer(bytes(32), signature) != order().trader


@pytest.mark.parametrize("change", ["v", "high s", "zero r", "zero s", "no point"])
def test_signer__signature_that_nobody_made__is_nobodys(change: str) -> None:
    digest = order_digest(DOMAIN, order())
    signature = sign(digest, KEY)
    r, s, v = signature[:32], signature[32:64], signature[64:]
    high = (verify_auction.ORDER - int.from_bytes(s, "big")).to_bytes(32, "big")
    forged = {
        "v": r + s + b"\x00",
        "high s": r + high + bytes([55 - v[0]]),
        "zero r": bytes(32) + s + v,
        "zero s": r + bytes(32) + v,
        "no point": (5).to_bytes(32, "big") + s + v,
    }[change]
    assert verify_auction.signer(digest, forged) is None


def judged(**changes: Any) -> dict[str, Any]:
    return verify_auction.judge(DOCUMENT | changes)


def test_judge__honest_document__agrees_with_the_product() -> None:
    found = judged()
    assert (found["agrees"], found["differences"]) == (True, [])
    assert (found["price_per_kwh"], found["matched_wh"], found["trade_count"]) == ("150000", "1000", 2)


def document_of(data: bytes) -> dict[str, Any]:
    told = publication(data)
    return {
        "book": "0x" + data.hex(),
        "book_hash": "0x" + told.book_hash.hex(),
        "result_hash": "0x" + told.result_hash.hex(),
    }


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"book_hash": "0x00"}, "book_hash"),
        ({"result_hash": "0x00"}, "result_hash"),
        ({"exchange_domain": DOCUMENT["exchange_domain"] | {"chain_id": 1}}, "signature"),
        (document_of(book.book_bytes(1, SLOT + 900, 900, 20_000, [entry(1)])), "signature"),
    ],
)
def test_judge__lie__is_found(changes: dict[str, Any], word: str) -> None:
    found = judged(**changes)
    assert not found["agrees"]
    assert all(word in difference for difference in found["differences"])


def test_judge__same_order_twice__is_found() -> None:
    once = entry(3)
    twice = [once, type(once)(9, once.digest, once.order, once.signature)]
    assert (
        "duplicate: an order stands in the book twice"
        in judged(**document_of(book.book_bytes(1, SLOT, 900, 0, twice)))["differences"]
    )


def run(*arguments: str, input_: bytes = b"") -> tuple[int, bytes]:
    """Without this project's folder, packages or environment: -I leaves Python alone with the file."""
    command = [sys.executable, "-I", "-S", str(SCRIPT), *arguments]
    done = subprocess.run(command, input=input_, capture_output=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def test_command__honest_and_dishonest_file__ends_with_0_and_1(tmp_path: Path) -> None:
    path = tmp_path / "auction.json"
    path.write_text(json.dumps(DOCUMENT))
    code, told = run(str(path))
    assert (code, json.loads(told)["result_hash"]) == (0, "0x" + HONEST.result_hash.hex())
    assert run(input_=json.dumps(DOCUMENT | {"result_hash": "0x00"}).encode())[0] == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        json.dumps(DOCUMENT | {"book": "0x4754"}).encode(),
        json.dumps({"book": None}).encode(),
    ],
)
def test_command__nothing_to_judge__ends_with_2(content: bytes) -> None:
    code, told = run(input_=content)
    assert code == 2
    assert told.startswith(b"cannot judge: ")


def test_get__not_a_web_address_or_nobody_there__is_nothing_to_judge() -> None:
    assert run("--url", "file:///etc", "--slot", "2026-01-01T00:00:00Z")[0] == 2


@pytest.mark.parametrize(
    "data", [HONEST.book[:-1], b"GTBK" + bytes(40), HONEST.book[:6] + b"\xff" * 4 + HONEST.book[10:]]
)
def test_parse__not_this_book__is_refused_or_differs(data: bytes) -> None:
    try:
        parsed = verify_auction.parse(data)
    except verify_auction.Unreadable:
        return
    assert parsed["zone"] != 1


def test_main__file_argument__prints_one_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "auction.json"
    path.write_text(json.dumps(DOCUMENT))
    monkeypatch.setattr("sys.argv", ["verify_auction.py", str(path)])
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert verify_auction.main() == 0
    assert json.loads(capsys.readouterr().out)["agrees"]
