"""``gridtrace auction``: what it says, and the code that it ends with."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from api.cli import auction_document, main
from contracts.typed_data import checksum
from indexer.errors import ConfigError
from node.market import book
from node.market.area import alone
from node.market.session_book import clear_day
from tests.unit.node.market.orders import DOMAIN, SLOT, entry
from tests.unit.node.market.test_rerun import HONEST, area_publication, publication
from tests.unit.node.market.test_session_book import BOOKS, DAY

DOCUMENT: dict[str, Any] = {
    "zone": 1,
    "delivery_start": "2025-06-15T15:15:00Z",
    "sealed": False,
    "orders": [],
    "book": "0x" + HONEST.book.hex(),
    "book_hash": "0x" + HONEST.book_hash.hex(),
    "result_hash": "0x" + HONEST.result_hash.hex(),
    "exchange_domain": {
        "name": "Gridtrace Exchange",
        "version": "1",
        "chain_id": DOMAIN.chain_id,
        "verifying_contract": checksum(DOMAIN.exchange),
    },
}


def written(folder: Path, **changes: object) -> str:
    path = folder / "auction.json"
    path.write_text(json.dumps(DOCUMENT | changes))
    return str(path)


def verify(*arguments: str) -> int:
    return main.execute(["auction", "verify", *arguments])


def test_verify__honest_document__agrees(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(written(tmp_path)) == 0
    told = capsys.readouterr().out
    assert told.startswith("agrees: slot 2025-06-15T15:15:00Z\n")
    assert "zone 1: 3 orders, 1000 Wh sold at 150000 micro per kWh, 1000 Wh bought at 170000\n2 trades;" in told


def test_verify__as_json__has_every_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(written(tmp_path), "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["agrees"], facts["area"], facts["delivery_start"]) == (True, 1, "2025-06-15T15:15:00Z")
    assert facts["zones"] == [
        {
            "zone": 1,
            "order_count": 3,
            "price_per_kwh": "150000",
            "price_low_per_kwh": "150000",
            "price_high_per_kwh": "150000",
            "buy_price_per_kwh": "170000",
            "bought_wh": "1000",
            "sold_wh": "1000",
        }
    ]
    assert (facts["book_hash"], facts["result_hash"]) == (DOCUMENT["book_hash"], DOCUMENT["result_hash"])
    assert (facts["trade_count"], facts["differences"]) == (2, [])


def test_verify__wrong_result_hash__differs_and_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(written(tmp_path, result_hash="0x" + "00" * 32)) == 1
    told = capsys.readouterr().out
    assert told.startswith("DIFFERS: ")
    assert f"result-hash: said {'00' * 32}; found {HONEST.result_hash.hex()}" in told


def test_verify__area_of_two_zones__tells_of_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = area_publication()
    hashes = {"book_hash": "0x" + told.book_hash.hex(), "result_hash": "0x" + told.result_hash.hex()}
    assert verify(written(tmp_path, zone=2, book="0x" + told.book.hex(), **hashes)) == 0
    shown = capsys.readouterr().out
    assert "zone 1: 3 orders, 1400 Wh sold" in shown
    assert "zone 2: 2 orders, 0 Wh sold at None micro per kWh, 400 Wh bought at 300000" in shown


def test_verify__nothing_trades__says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = publication(book.book_bytes(1, SLOT, 900, 0, []))
    hashes = {"book_hash": "0x" + empty.book_hash.hex(), "result_hash": "0x" + empty.result_hash.hex()}
    assert verify(written(tmp_path, book="0x" + empty.book.hex(), **hashes)) == 0
    assert "nothing trades" in capsys.readouterr().out


def test_verify__many_differences__a_person_sees_the_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    orders = [replace(entry(n, side=n % 2), signature=bytes(65)) for n in range(1, 31)]
    many = publication(book.book_bytes(1, SLOT, 900, 0, orders))
    hashes = {"book_hash": "0x" + many.book_hash.hex(), "result_hash": "0x" + many.result_hash.hex()}
    path = written(tmp_path, book="0x" + many.book.hex(), **hashes)
    assert verify(path) == 1
    assert capsys.readouterr().out.endswith("and 10 more differences: --json has them all\n")
    assert verify(path, "--json") == 1
    assert len(json.loads(capsys.readouterr().out)["differences"]) == 30


def test_verify__raw_book_with_what_is_known__is_judged_by_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = ["--book-hash", DOCUMENT["book_hash"], "--result-hash", DOCUMENT["result_hash"]]
    exchange = ["--chain-id", str(DOMAIN.chain_id), "--exchange", checksum(DOMAIN.exchange)]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(HONEST.book)))
    assert verify("-", *known, *exchange) == 0
    path = tmp_path / "book.bin"
    path.write_bytes(HONEST.book)
    assert verify(str(path), *known, "--chain-id", "1", "--exchange", checksum(DOMAIN.exchange)) == 1
    assert "signature: said order 1 is" in capsys.readouterr().out


@pytest.mark.parametrize("missing", ["--book-hash", "--result-hash", "--exchange"])
def test_verify__raw_book_without_what_must_be_known__is_wrong_usage(
    missing: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = {
        "--book-hash": DOCUMENT["book_hash"],
        "--result-hash": DOCUMENT["result_hash"],
        "--exchange": checksum(DOMAIN.exchange),
        "--chain-id": "31337",
    }
    path = tmp_path / "book.bin"
    path.write_bytes(HONEST.book)
    del known[missing]
    assert verify(str(path), *(word for pair in known.items() for word in pair)) == main.USAGE
    assert missing in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"book": None, "sealed": True}, "auction-not-published"),
        ({"book": "GTBK"}, "auction-document-unreadable"),
        ({"book": "0x" + HONEST.book[:-1].hex()}, "book-unreadable"),
        ({"book_hash": "0x12"}, "auction-document-unreadable"),
        ({"zone": "one"}, "auction-document-unreadable"),
        (
            {"exchange_domain": {**DOCUMENT["exchange_domain"], "verifying_contract": "0x1"}},
            "auction-document-unreadable",
        ),
    ],
)
def test_verify__no_document_to_judge__has_its_code(
    changes: dict[str, object], code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(written(tmp_path, **changes)) == main.FAILED
    assert capsys.readouterr().err.endswith(f"({code})\n")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b"GTB", b"{}"])
def test_verify__anything_else__has_a_code_too(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "auction.json"
    path.write_bytes(content)
    assert verify(str(path)) == main.FAILED
    assert "(auction-" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["/nonexistent/auction.json"],
        ["FILE", "--slot", "2026-01-01T00:00:00Z"],
        ["FILE", "--book-hash", "0x12"],
        ["FILE", "--exchange", "0x12"],
    ],
)
def test_verify__wrong_usage__is_said_so(arguments: list[str], tmp_path: Path) -> None:
    path = written(tmp_path)
    assert verify(*(path if word == "FILE" else word for word in arguments)) == main.USAGE


def test_write__nowhere__is_wrong_usage() -> None:
    with pytest.raises(ConfigError, match="/nonexistent"):
        auction_document.write(Path("/nonexistent/auction.json"), b"")


# auction clear

BOOK = {
    "name": "two",
    "grid_fee_per_kwh": 10,
    "orders": [
        {"sequence": 1, "side": "buy", "energy_wh": 10, "limit_price_per_kwh": 310},
        {"sequence": 2, "side": "sell", "energy_wh": 7, "limit_price_per_kwh": 100},
    ],
}
BAD = [
    "nonsense",
    "[]",
    json.dumps(BOOK | {"zones": [1, 2]}),
    json.dumps(BOOK | {"grid_fee_per_kwh": 2**47}),
    json.dumps(BOOK | {"orders": BOOK["orders"] * 2}),  # type: ignore[operator]
    json.dumps({"orders": [{"sequence": 1, "side": "buy", "energy_wh": 0, "limit_price_per_kwh": 1}]}),
    json.dumps({"orders": [{"sequence": 2**70, "side": "buy", "energy_wh": 1, "limit_price_per_kwh": 1}]}),
    json.dumps({"orders": [{"sequence": 1, "side": "hold", "energy_wh": 1, "limit_price_per_kwh": 1}]}),
    json.dumps({"orders": [{"sequence": 1, "side": "buy", "energy_wh": 1.5, "limit_price_per_kwh": 1}]}),
]


def cleared(folder: Path, capfdbinary: pytest.CaptureFixture[bytes], *lines: str) -> tuple[int, list[dict[str, Any]]]:
    path = folder / "books.jsonl"
    path.write_text("".join(line + "\n" for line in lines))
    code = main.execute(["auction", "clear", str(path)])
    return code, [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]


def test_clear__book__is_answered_with_all_that_was_decided(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    code, (answer,) = cleared(tmp_path, capfdbinary, json.dumps(BOOK))
    assert code == 0
    assert len(answer.pop("result_hash")) == 64
    assert answer == {
        "name": "two",
        "price_per_kwh": 300,
        "price_low_per_kwh": 300,
        "price_high_per_kwh": 300,
        "matched_wh": 7,
        "fills_wh": {"1": 7, "2": 7},
        "trades": [[1, 2, 7]],
        "rejected": [],
    }


def test_clear__bad_lines__are_answered_in_their_places(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    code, answers = cleared(tmp_path, capfdbinary, *BAD, json.dumps(BOOK))
    assert code == 1
    assert [set(answer) for answer in answers[:-1]] == [{"error"}] * len(BAD)
    assert answers[-1]["matched_wh"] == 7


@pytest.mark.parametrize("arguments", [["/nonexistent"], ["-", "--workers", "2", "--cluster", "tcp://127.0.0.1:1"]])
def test_clear__wrong_usage__is_said_so(arguments: list[str]) -> None:
    assert main.execute(["auction", "clear", *arguments]) == main.USAGE


# The day-ahead session


def day_document(**changes: Any) -> dict[str, Any]:
    session = clear_day(alone(1, 20_000), DAY, BOOKS)
    return {
        "zone": 1,
        "day": "2025-06-15T00:00:00Z",
        "accepted_blocks": [3],
        "rejected_blocks": [],
        "book": "0x" + session.data.hex(),
        "book_hash": "0x" + session.book_hash.hex(),
        "result_hash": "0x" + session.result_hash.hex(),
        "exchange_domain": DOCUMENT["exchange_domain"],
    } | changes


def test_verify__day_ahead_session__agrees(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "day.json"
    path.write_text(json.dumps(day_document()))
    assert verify(str(path)) == 0
    told = capsys.readouterr().out
    assert told.startswith("agrees: day-ahead session of the day that begins 2025-06-15T00:00:00Z\n")
    assert "5 orders in 2 slots, 2000 Wh in 2 trades\nblocks accepted: 3; left out though they would gain: none" in told
    assert verify(str(path), "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["agrees"], facts["accepted_blocks"]) == (True, [3])
    assert [slot["zones"][0]["bought_wh"] for slot in facts["slots"]] == ["1000", "1000"]


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"result_hash": "0x" + "00" * 32}, "result-hash"),
        ({"accepted_blocks": []}, "block"),
        ({"day": "2025-06-16T00:00:00Z"}, "day"),
        ({"zone": 9}, "slot"),
    ],
)
def test_verify__wrong_day_ahead_session__differs_and_ends_with_1(
    changes: dict[str, Any], check: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "day.json"
    path.write_text(json.dumps(day_document(**changes)))
    assert verify(str(path)) == 1
    told = capsys.readouterr().out
    assert told.startswith("DIFFERS: ")
    assert f"\n{check}: said" in told


def test_verify__day_and_slot_together__are_wrong_usage() -> None:
    assert verify("--day", "2025-06-15", "--slot", "2025-06-15T15:15:00Z") == main.USAGE
