"""Runs the conformance suite on any engine: ``python -m scripts.conformance --engine "<command>" [--json]``.

tests/conformance/README.md says what the command reads and writes. Each book is given twice, to two processes.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

from scripts.conformance import judge
from scripts.conformance.engine import Engine
from scripts.conformance.suite import Case, cases

OURS = f"{sys.executable} -m api.cli.main auction clear -"


def judged(case: Case, first: Any, second: Any) -> list[str]:
    """Faults of one book: of the first answer, and that the second differs."""
    try:
        answer = judge.read(case, first)
    except judge.AnswerUnreadable:
        return ["no answer"]
    found = judge.faults(case, answer)
    try:
        same = judge.read(case, second) == answer
    except judge.AnswerUnreadable:
        same = False
    return found if same else [*found, "unstable"]


def run(command: str, suite: Sequence[Case], timeout_s: float) -> dict[str, list[str]]:
    """Names of the cases with each fault."""
    requests = [case.request() for case in suite]
    with Engine(command, timeout_s=timeout_s) as one, Engine(command, timeout_s=timeout_s) as two:
        pairs = zip(suite, one.answers(requests), two.answers(requests), strict=True)
        results = [(case, judged(case, first, second)) for case, first, second in pairs]
    return {fault: [case.name for case, found in results if fault in found] for fault in judge.FAULTS}


def report(command: str, suite: Sequence[Case], found: dict[str, list[str]]) -> dict[str, Any]:
    """For a program."""
    wrong = Counter(name for names in found.values() for name in names)
    return {
        "engine": command,
        "books": len(suite),
        "crossing": sum(case.expected.matched_wh > 0 for case in suite),
        "wrong": len(wrong),
        "faults": {fault: len(names) for fault, names in found.items()},
        "first": {fault: names[0] for fault, names in found.items() if names},
    }


def told(facts: dict[str, Any]) -> str:
    """For a person."""
    lines = [f"{facts['engine']}: {facts['wrong']} of {facts['books']} books wrong ({facts['crossing']} of them cross)"]
    for fault, meaning in judge.FAULTS.items():
        example = f", first {facts['first'][fault]}" if fault in facts["first"] else ""
        lines.append(f"{facts['faults'][fault]:>6}  {fault:<24} {meaning}{example}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.conformance", description=__doc__.split("\n\n")[0])
    parser.add_argument("--engine", default=OURS, help="command to judge; ours where left out")
    parser.add_argument("--divisible", action="store_true", help="only books without minimum fills")
    parser.add_argument("--no-fee", action="store_true", help="only books without a grid fee")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds for one answer")
    parser.add_argument("--json", action="store_true", help="machine-readable")
    asked = parser.parse_args()
    suite = [
        case
        for case in cases()
        if (case.is_divisible or not asked.divisible) and not (asked.no_fee and case.grid_fee_per_kwh)
    ]
    facts = report(asked.engine, suite, run(asked.engine, suite, asked.timeout))
    print(json.dumps(facts) if asked.json else told(facts))
    return 1 if facts["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
