"""Our engine against the whole suite through its public protocol, and the suite against its own generator."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.conformance import judge
from scripts.conformance.__main__ import OURS, report, run
from scripts.conformance.suite import DATA, cases
from tests.conformance import generate

PEERS = Path(__file__).parent / "peers"


def test_our_engine__every_book__has_no_fault() -> None:
    suite = cases()

    facts = report(OURS, suite, run(OURS, suite, 60))

    assert facts["faults"] == dict.fromkeys(judge.FAULTS, 0)
    assert (facts["wrong"], facts["books"]) == (0, len(suite))
    assert len(suite) >= 1_200
    assert facts["crossing"] >= 1_000


def test_random_books__generated_again__are_those_of_the_file() -> None:
    assert "".join(generate.lines()) == (DATA / "random_books.jsonl").read_text()


def test_random_books__our_engine__gives_the_expected_fills_and_prices() -> None:
    suite = cases()
    requests = "".join(case.request() + "\n" for case in suite)
    command = [sys.executable, "-m", "api.cli.main", "auction", "clear", "-"]
    done = subprocess.run(command, input=requests, capture_output=True, text=True, timeout=120, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]

    for case, answer in zip(suite, answers, strict=True):
        expected = case.expected
        assert answer["price_per_kwh"] == expected.price_per_kwh, case.name
        assert answer["price_low_per_kwh"] == expected.price_low_per_kwh, case.name
        assert answer["price_high_per_kwh"] == expected.price_high_per_kwh, case.name
        assert {int(number): wh for number, wh in answer["fills_wh"].items()} == expected.fills_wh, case.name


@pytest.mark.parametrize("adapter", sorted(PEERS.glob("*_engine.py")), ids=lambda path: path.stem)
def test_adapter__source__is_python_and_short(adapter: Path) -> None:
    source = adapter.read_text()
    compile(source, str(adapter), "exec")
    assert len(source.splitlines()) <= 60
    assert source.endswith("serve(clear)\n")
