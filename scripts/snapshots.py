"""Committed figures that may not change unseen: storage layouts and gas.

    python -m scripts.snapshots storage [--update]
    python -m scripts.snapshots gas [--update [--allow-rise]]

Without --update a difference is shown and fails. Gas may only fall: an update that would raise a figure needs
--allow-rise. Gas is what the Gas tests of tests/contracts/forge print as ``name: figure``; it is exact, so a fall has
to be committed too. Storage layouts are the compiler's, of every contract of ours, structs written out (invariant 18).
"""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import solcx

from scripts import forge
from scripts.compile_contracts import ROOT, SOLC, SOURCES, closure, settings

SNAPSHOTS: Final = ROOT / "contracts" / "snapshots"
STORAGE: Final = SNAPSHOTS / "storage.txt"
GAS: Final = SNAPSHOTS / "gas.txt"
FORGE: Final = forge.binary()
FORGE_TIMEOUT_S: Final = 1_800
_CONTRACT: Final = re.compile(r"^contract (\w+)", re.MULTILINE)
_FIGURE: Final = re.compile(r"^(.+): (\d+)$")


class SnapshotFailed(Exception):
    """What should be measured could not be."""


# STORAGE


def concrete_contracts() -> dict[str, str]:
    """The source unit of each contract of ours that can stand on a chain, by name."""
    found: dict[str, str] = {}
    for path in sorted(SOURCES.rglob("*.sol")):
        unit = path.relative_to(ROOT).as_posix()
        if "/reference/" not in unit:
            found |= dict.fromkeys(_CONTRACT.findall(path.read_text()), unit)
    return found


def storage_layouts() -> dict[str, dict[str, Any]]:
    """The compiler's storage layout of each of our contracts. Nothing is generated, so it takes seconds."""
    units = concrete_contracts()
    wanted: dict[str, dict[str, list[str]]] = {}
    for name, unit in units.items():
        wanted.setdefault(unit, {})[name] = ["storageLayout"]
    job = {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in closure(sorted(set(units.values()))).items()},
        "settings": {**settings(), "outputSelection": wanted},
    }
    output = solcx.compile_standard(job, solc_binary=SOLC)
    return {name: output["contracts"][unit][name]["storageLayout"] for name, unit in units.items()}


def storage_text(layouts: dict[str, dict[str, Any]]) -> str:
    """One line a variable: contract, slot, offset in bytes, bytes, type and name."""
    lines: list[str] = []
    for contract, layout in sorted(layouts.items()):
        types = layout["types"] or {}
        for variable in layout["storage"]:
            lines += _variable(contract, variable, types)
        lines += _structs(contract, types)
        if not layout["storage"]:
            lines.append(f"{contract} keeps nothing")
    return "\n".join(lines) + "\n"


def _variable(owner: str, variable: dict[str, Any], types: dict[str, Any]) -> Iterator[str]:
    kind = types[variable["type"]]
    place = f"slot {variable['slot']:>3} + {variable['offset']:>2}"
    yield f"{owner}  {place}  {kind['numberOfBytes']:>4} bytes  {kind['label']}  {variable['label']}"


def _structs(contract: str, types: dict[str, Any]) -> Iterator[str]:
    for kind in sorted(types.values(), key=lambda kind: str(kind["label"])):
        for member in kind.get("members", ()):
            yield from _variable(f"{contract}  {kind['label']}", member, types)


# GAS


def gas_figures() -> dict[str, int]:
    """What the gas tests print, by test contract and name. Raises SnapshotFailed."""
    command = [str(FORGE), "test", "--match-contract", "Gas", "--json", "-vv"]
    environment = {**os.environ, "FOUNDRY_PROFILE": "default"}
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=FORGE_TIMEOUT_S)
    try:
        suites = json.loads(ran.stdout[ran.stdout.index("{") :])
    except ValueError as error:
        raise SnapshotFailed(ran.stdout[-2000:] + ran.stderr[-2000:]) from error
    return dict(sorted(_figures(suites)))


def _figures(suites: dict[str, Any]) -> Iterator[tuple[str, int]]:
    for suite, results in suites.items():
        contract = suite.rpartition(":")[2]
        for test, result in results["test_results"].items():
            if result["status"] != "Success":
                raise SnapshotFailed(f"{contract}.{test}: {result['reason']}")
            for line in result["decoded_logs"]:
                if found := _FIGURE.match(line):
                    yield f"{contract}: {found[1]}", int(found[2])


def gas_text(figures: dict[str, int]) -> str:
    """One line a figure, sorted by name."""
    width = max(map(len, figures), default=0)
    return "".join(f"{name:<{width}}  {gas:>10}\n" for name, gas in sorted(figures.items()))


def parse_gas(text: str) -> dict[str, int]:
    """Figures of a snapshot file."""
    lines = (line.rpartition(" ") for line in text.splitlines())
    return {name.strip(): int(gas) for name, _, gas in lines}


def gas_changes(before: dict[str, int], now: dict[str, int]) -> list[str]:
    """What differs, in words; a rise is named as such."""
    changes = [f"gone: {name}" for name in sorted(before.keys() - now.keys())]
    changes += [f"new: {name}: {now[name]}" for name in sorted(now.keys() - before.keys())]
    for name in sorted(before.keys() & now.keys()):
        if now[name] != before[name]:
            direction = "ROSE" if now[name] > before[name] else "fell"
            changes.append(f"{direction}: {name}: {before[name]} -> {now[name]}")
    return changes


# COMMANDS


def check_storage(update: bool) -> int:
    text = storage_text(storage_layouts())
    before = STORAGE.read_text() if STORAGE.exists() else ""
    if text == before:
        return 0
    if update:
        STORAGE.write_text(text)
        return 0
    old, new = set(before.splitlines()), set(text.splitlines())
    for line in sorted(old - new):
        print(f"was: {line}")
    for line in sorted(new - old):
        print(f"is:  {line}")
    print("storage layout differs from contracts/snapshots/storage.txt: python -m scripts.snapshots storage --update")
    return 1


def check_gas(update: bool, allow_rise: bool) -> int:
    figures = gas_figures()
    before = parse_gas(GAS.read_text()) if GAS.exists() else {}
    changes = gas_changes(before, figures)
    for change in changes:
        print(change)
    risen = any(change.startswith(("ROSE", "gone")) for change in changes)
    if update and (allow_rise or not risen):
        GAS.write_text(gas_text(figures))
        return 0
    if changes:
        print("gas differs from contracts/snapshots/gas.txt: python -m scripts.snapshots gas --update")
    return 1 if changes else 0


def main(arguments: list[str] | None = None) -> int:
    """1 where something differs from its snapshot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("storage", "gas"))
    parser.add_argument("--update", action="store_true", help="write what is measured now")
    parser.add_argument("--allow-rise", action="store_true", help="with --update: gas may rise or a figure may go")
    options = parser.parse_args(arguments)
    Path(SNAPSHOTS).mkdir(exist_ok=True)
    if options.what == "storage":
        return check_storage(options.update)
    return check_gas(options.update, options.allow_rise)


if __name__ == "__main__":
    sys.exit(main())
