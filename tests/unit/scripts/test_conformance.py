"""The judge finds each fault and no other; an engine that dies, hangs or babbles is only a fault of the engine."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.conformance import __main__ as command
from scripts.conformance import judge
from scripts.conformance.engine import Engine
from scripts.conformance.suite import Case, Expected, Order

# Demand 10 at 300 and 6 at 200; supply 8 at 100 and 6 at 150: at 200 the 14 on offer are sold.
CASE = Case(
    "four",
    0,
    (
        Order(1, "buy", 10, 300),
        Order(2, "buy", 6, 200),
        Order(3, "sell", 8, 100),
        Order(4, "sell", 6, 150),
    ),
    Expected(200, 200, 200, 14, 3_800 - 1_700, {1: 10, 2: 4, 3: 8, 4: 6}),
)
RIGHT: dict[str, Any] = {"price_per_kwh": 200, "fills_wh": {"1": 10, "2": 4, "3": 8, "4": 6}}


def found(answer: dict[str, Any], case: Case = CASE) -> list[str]:
    return judge.faults(case, judge.read(case, answer))


@pytest.mark.parametrize(
    "answer",
    [
        RIGHT,
        {"price_per_kwh": 200.0000001, "fills_wh": {"1": 10.0000001, "2": 4, "3": 8, "4": 6}},
        {"trades": [[1, 3, 8], [1, 4, 2], [2, 4, 4]], "price_per_kwh": 200},
        {"trades": [[1, 3, 8, 200], [1, 4, 2, 200], [2, 4, 4, 200]]},
        {"fills_wh": RIGHT["fills_wh"], "paid_nano": {"1": 2_000, "2": 800, "3": -1_600, "4": -1_200}},
    ],
    ids=["price", "floats", "trades", "priced trades", "money"],
)
def test_judge__right_answer_in_any_form__has_no_fault(answer: dict[str, Any]) -> None:
    assert found(answer) == []


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        ({"fills_wh": {"1": 10, "2": 0, "3": 8, "4": 2}}, ["volume lost", "welfare lost", "better order priced out"]),
        ({"fills_wh": {"1": 8, "2": 6, "3": 8, "4": 6}}, ["welfare lost", "better order priced out"]),
        ({"fills_wh": {"1": 10, "2": 4, "3": 9, "4": 5}}, ["better order priced out", "over-filled"]),
        ({"fills_wh": {"1": 10, "2": 4, "3": 8, "4": 6, "9": 3}}, ["over-filled"]),
        ({"fills_wh": {"1": 10, "2": 4, "3": 8, "4": 5}},
         ["volume lost", "better order priced out", "over-filled", "money not zero"]),
        ({"price_per_kwh": 199}, ["better order priced out", "price off"]),
        ({"price_per_kwh": 201}, ["limit violated", "price off"]),
        ({"paid_nano": {"1": 2_000, "2": 800, "3": -1_600, "4": -1_100}}, ["money not zero"]),
        ({"paid_nano": {"1": 2_000, "2": 801, "3": -1_600, "4": -1_201}}, ["limit violated"]),
    ],
    ids=["cut", "worse first", "too much", "stranger", "unbalanced", "low", "high", "kept", "over limit"],
)  # fmt: skip
def test_judge__each_fault__is_named(change: dict[str, Any], faults: list[str]) -> None:
    assert found(RIGHT | change) == faults


def test_judge__fee__is_part_of_what_buyers_pay() -> None:
    fee = Case("fee", 50, CASE.orders, Expected(150, 150, 150, 10, 1_400, {1: 10, 3: 8, 4: 2}))

    assert found({"price_per_kwh": 150, "fills_wh": {"1": 10, "3": 8, "4": 2}}, fee) == []
    assert "money not zero" in found({"trades": [[1, 3, 8, 150], [1, 4, 2, 150]], "fills_wh": {"1": 10, "3": 8, "4": 2},
                                      "paid_nano": {"1": 1_500, "3": -1_200, "4": -300}}, fee)  # fmt: skip


def test_judge__minimum_fill__is_met_or_nothing() -> None:
    orders = (*CASE.orders[:1], Order(2, "buy", 6, 200, 6), *CASE.orders[2:])
    case = Case("minimum", 0, orders, Expected(225, 150, 300, 10, 1_900, {1: 10, 3: 8, 4: 2}))

    assert "minimum fill broken" in found(RIGHT, case)
    assert found({"price_per_kwh": 225, "fills_wh": {"1": 10, "3": 8, "4": 2}}, case) == []


@pytest.mark.parametrize(
    "answer",
    [None, [], "no", {}, {"error": "why"}, {"fills_wh": [1]}, {"fills_wh": {"a": 1}}, {"fills_wh": {"1": 5, "3": 5}},
     {"trades": [[1]]}, {"trades": [[1, 3, "much"]], "price_per_kwh": 1}],
)  # fmt: skip
def test_read__not_of_the_protocol__is_no_answer(answer: Any) -> None:
    with pytest.raises(judge.AnswerUnreadable):
        judge.read(CASE, answer)
    assert command.judged(CASE, answer, RIGHT) == ["no answer"]


def test_judged__second_answer_differs__is_unstable() -> None:
    other = {"price_per_kwh": 200, "fills_wh": {"1": 9, "2": 5, "3": 8, "4": 6}}
    assert command.judged(CASE, RIGHT, RIGHT) == []
    assert command.judged(CASE, RIGHT, other) == command.judged(CASE, RIGHT, None) == ["unstable"]


ENGINE = """
import json, sys
for number, line in enumerate(sys.stdin):
    book = json.loads(line)
    if book["name"] == "dies": sys.exit(3)
    if book["name"] == "hangs":
        import time; time.sleep(60)
    print("nonsense" if book["name"] == "babbles" else json.dumps({"number": number}), flush=True)
"""


def test_engine__that_dies_hangs_or_babbles__goes_on_with_the_next_book(tmp_path: Path) -> None:
    program = tmp_path / "engine.py"
    program.write_text(ENGINE)
    names = ["a", "b", "dies", "c", "babbles", "d", "hangs", "e"]
    with Engine(f"{sys.executable} {program}", timeout_s=3) as engine:
        answers = list(engine.answers([json.dumps({"name": name}) for name in names]))
    assert answers == [{"number": 0}, {"number": 1}, None, {"number": 0}, None, {"number": 2}, None, {"number": 0}]


def test_main__engine_that_fails__ends_with_1_and_counts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "engine.py"
    program.write_text("import sys\nfor line in sys.stdin: print('{\"fills_wh\": {}}', flush=True)\n")
    monkeypatch.setattr("sys.argv", ["conformance", "--engine", f"{sys.executable} {program}", "--json", "--divisible"])
    assert command.main() == 1
    facts = json.loads(capsys.readouterr().out)
    assert facts["faults"]["volume lost"] == facts["crossing"] == facts["wrong"]
    assert facts["faults"]["no answer"] == 0
    assert "volume lost" in command.told(facts)
