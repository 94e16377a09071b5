"""Compiles contracts/src to contracts/artifacts, one JSON file per deployed contract; --check only compares.

Run from the repository as ``python -m scripts.compile_contracts``.

The compiler is npm's solc through scripts/solc-v0.8.35, driven by py-solc-x; its settings are foundry.toml's. Source
names are relative to the repository and the metadata carries no hash, so the output is the same on every machine.
"""

import argparse
import hashlib
import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

import solcx
from solcx.wrapper import get_version_str_from_solc_binary

from contracts.abi import CONTRACTS

ROOT: Final = Path(__file__).parent.parent
SOURCES: Final = ROOT / "contracts" / "src"
ARTIFACTS: Final = ROOT / "contracts" / "artifacts"
SOLC: Final = ROOT / "scripts" / "solc-v0.8.35"
_IMPORT: Final = re.compile(r'^\s*import\s+(?:[^"\';]*?from\s+)?["\']([^"\']+)["\']\s*;', re.MULTILINE)


class CompilationFailed(Exception):
    """The compiler found errors."""


def find_source(name: str) -> str:
    """The text of a source unit: of this repository, or of a package in node_modules."""
    path = ROOT / name
    return (path if path.is_file() else ROOT / "node_modules" / name).read_text()


def resolve(importer: str, imported: str) -> str:
    """The source unit that an import names."""
    if not imported.startswith("."):
        return imported
    parts = list(Path(importer).parent.parts)
    for part in Path(imported).parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def definitions() -> dict[str, str]:
    """The source unit of each deployed contract."""
    found = {path.stem: path.relative_to(ROOT).as_posix() for path in sorted(SOURCES.rglob("*.sol"))}
    return {name: found[name] for name in CONTRACTS}


def closure(names: list[str]) -> dict[str, str]:
    """Source texts by unit name: the given ones and everything they import, sorted."""
    texts: dict[str, str] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in texts:
            texts[name] = find_source(name)
            waiting += [resolve(name, imported) for imported in _IMPORT.findall(texts[name])]
    return dict(sorted(texts.items()))


def settings() -> dict[str, Any]:
    """The compiler's settings, as forge uses them."""
    profile = tomllib.loads((ROOT / "foundry.toml").read_text())["profile"]["default"]
    return {
        "evmVersion": profile["evm_version"],
        "viaIR": profile["via_ir"],
        "optimizer": {"enabled": profile["optimizer"], "runs": profile["optimizer_runs"]},
        "metadata": {"bytecodeHash": profile["bytecode_hash"]},
    }


def compile_all() -> dict[str, dict[str, Any]]:
    """The artifact of each deployed contract, by name.

    Raises:
        CompilationFailed: the compiler found errors.
    """
    units = definitions()
    sources = closure(list(units.values()))
    wanted = ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"]
    job = {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in sources.items()},
        "settings": {**settings(), "outputSelection": {unit: {name: wanted} for name, unit in units.items()}},
    }
    try:
        output = solcx.compile_standard(job, solc_binary=SOLC)
    except solcx.exceptions.SolcError as error:
        raise CompilationFailed(str(error)) from error
    compiler = f"solc {get_version_str_from_solc_binary(SOLC)}"
    return {
        name: make_artifact(name, compiler, output["contracts"][unit][name], source_hash(unit))
        for name, unit in units.items()
    }


def source_hash(unit: str) -> str:
    """SHA-256 of the compiler's settings and of everything that a source unit is compiled from."""
    return hashlib.sha256(json.dumps([settings(), closure([unit])], sort_keys=True).encode()).hexdigest()


def make_artifact(name: str, compiler: str, compiled: dict[str, Any], source_hash: str) -> dict[str, Any]:
    """What is stored of one compiled contract."""
    return {
        "name": name,
        "compiler": compiler,
        "source_hash": source_hash,
        "abi": compiled["abi"],
        "bytecode": "0x" + compiled["evm"]["bytecode"]["object"],
        "deployed_bytecode": "0x" + compiled["evm"]["deployedBytecode"]["object"],
    }


def render(fields: dict[str, Any]) -> str:
    """The text of an artifact file."""
    return json.dumps(fields, indent=1) + "\n"


def differences(artifacts: dict[str, dict[str, Any]]) -> list[str]:
    """Names of artifact files that are missing, stale or too many."""
    wanted = {f"{name}.json": render(fields) for name, fields in artifacts.items()}
    stored = {path.name: path.read_text() for path in ARTIFACTS.glob("*.json")}
    return sorted(name for name in wanted.keys() | stored.keys() if wanted.get(name) != stored.get(name))


def main() -> int:
    """Writes or checks the artifacts; 1 where a check finds differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the files are out of date")
    arguments = parser.parse_args()
    artifacts = compile_all()
    changed = differences(artifacts)
    if arguments.check:
        for name in changed:
            print(f"out of date: contracts/artifacts/{name}: run python -m scripts.compile_contracts")
        return 1 if changed else 0
    ARTIFACTS.mkdir(exist_ok=True)
    for name in changed:
        (ARTIFACTS / name).unlink(missing_ok=True)
    for name, fields in artifacts.items():
        (ARTIFACTS / f"{name}.json").write_text(render(fields))
        print(f"{name}: {(len(fields['deployed_bytecode']) - 2) // 2} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
