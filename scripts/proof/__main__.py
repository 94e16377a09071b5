"""Proves the contracts, and says what was found: ``./scripts/prove [part]… [--json]``.

all        slither, halmos, coverage and mutation
slither    static analysis; high and medium findings explained in scripts/proof/triage.toml
halmos     symbolic execution of tests/contracts/halmos
coverage   lines and branches of our contracts that the forge tests reach
mutation   our contracts with one fault each: do the tests see it? (--mutants, --seed, --contract)
deep       forge's deep profile and the Python tests' --deep: long, for every night

The exit code is 0 where nothing has to be looked at, 1 where something has, 2 where a tool did not run.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Final

from scripts.proof import coverage, deep, halmos, mutation, slither
from scripts.proof.result import Result, ToolFailed

ALL: Final = ("slither", "halmos", "coverage", "mutation")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=("all", *ALL, "deep", []), default="all", metavar="part")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--mutants", type=int, default=mutation.MUTANTS, help="how many mutants are tried")
    parser.add_argument("--seed", type=int, default=1, help="which ones")
    parser.add_argument("--contract", default="", help="mutants of this source file only")
    options = parser.parse_args()
    parts = [options.parts] if isinstance(options.parts, str) else options.parts
    chosen = [part for name in parts for part in (ALL if name == "all" else (name,))]
    ways: dict[str, Callable[[], Result]] = {
        "slither": slither.prove,
        "halmos": halmos.prove,
        "coverage": coverage.prove,
        "mutation": lambda: mutation.prove(options.mutants, options.seed, options.contract),
        "deep": deep.prove,
    }
    results, broken = [], []
    for part in chosen:
        began = time.monotonic()
        try:
            result = ways[part]()
        except ToolFailed as error:
            broken.append(f"{part}: {error}")
            continue
        result.seconds = round(time.monotonic() - began, 1)
        results.append(result)
    report(results, broken, as_json=options.json)
    return 2 if broken else int(not all(result.ok for result in results))


def report(results: list[Result], broken: list[str], *, as_json: bool) -> None:
    """A table, or JSON."""
    if as_json:
        print(
            json.dumps(
                {"results": [{**asdict(result), "ok": result.ok} for result in results], "broken": broken}, indent=2
            )
        )
        return
    for result in results:
        figures = ", ".join(f"{name} {value}" for name, value in result.figures.items())
        print(f"{result.part:<10} {'ok' if result.ok else 'LOOK':<5} {result.seconds:>7.1f} s  {figures}")
    for result in results:
        for line in (*result.notes, *result.findings):
            print(f"  {result.part}: {line}")
    for line in broken:
        print(f"  did not run: {line}")


if __name__ == "__main__":
    sys.exit(main())
