"""Compiles contracts/src with py-solc-x, to the artifacts in contracts/artifacts. Needs a checkout.

The compiler is npm's solc through scripts/solc-v0.8.35; its settings are foundry.toml's. Source names are relative to
the repository and the metadata carries no hash, so the output is the same on every machine.
"""

import hashlib
import json
import re
import tomllib
from pathlib import Path
from typing import Any, Final

import solcx
from solcx.wrapper import get_version_str_from_solc_binary

from contracts.abi import ARTIFACTS as NAMES
from contracts.errors import GridtraceError

ROOT: Final = Path(__file__).parents[2]
SOURCES: Final = ROOT / "contracts" / "src"
ARTIFACTS: Final = ROOT / "contracts" / "artifacts"
SOLC: Final = ROOT / "scripts" / "solc-v0.8.35"
_IMPORT: Final = re.compile(r'^\s*import\s+(?:[^"\';]*?from\s+)?["\']([^"\']+)["\']\s*;', re.MULTILINE)
_OUTPUT: Final = [
    "abi",
    "evm.bytecode.object",
    "evm.deployedBytecode.object",
    "evm.deployedBytecode.immutableReferences",
]


class CompilationFailed(GridtraceError):
    """The contracts cannot be compiled."""

    code = "compilation-failed"


class ArtifactsStale(GridtraceError):
    """The committed artifacts are not what the sources compile to; run python -m scripts.compile_contracts."""

    code = "artifacts-stale"


def check() -> None:
    """Compiles everything and compares it with the committed artifacts, byte for byte.

    Raises:
        CompilationFailed: the compiler found errors, or the sources or the compiler are missing.
        ArtifactsStale: there are differences.
    """
    if changed := differences(compile_all()):
        raise ArtifactsStale(f"not what the sources compile to: {', '.join(changed)}")


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
    """The source unit of each contract that has an artifact. Raises CompilationFailed where one is missing."""
    found = {path.stem: path.relative_to(ROOT).as_posix() for path in sorted(SOURCES.rglob("*.sol"))}
    if missing := [name for name in NAMES if name not in found]:
        raise CompilationFailed(f"{SOURCES} has no {', '.join(missing)}")
    return {name: found[name] for name in NAMES}


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
    """The artifact of each contract, by name.

    Raises:
        CompilationFailed: the compiler found errors, or the sources or the compiler are missing.
    """
    units = definitions()
    try:
        job = {
            "language": "Solidity",
            "sources": {name: {"content": text} for name, text in closure(list(units.values())).items()},
            "settings": {**settings(), "outputSelection": {unit: {name: _OUTPUT} for name, unit in units.items()}},
        }
        output = solcx.compile_standard(job, solc_binary=SOLC)
        compiler = f"solc {get_version_str_from_solc_binary(SOLC)}"
    except solcx.exceptions.SolcError as error:
        raise CompilationFailed(_first_error(error)) from None
    except OSError as error:
        raise CompilationFailed(str(error)) from error
    return {
        name: make_artifact(name, compiler, output["contracts"][unit][name], source_hash(unit))
        for name, unit in units.items()
    }


def source_hash(unit: str) -> str:
    """SHA-256 of the compiler's settings and of everything that a source unit is compiled from."""
    return hashlib.sha256(json.dumps([settings(), closure([unit])], sort_keys=True).encode()).hexdigest()


def make_artifact(name: str, compiler: str, compiled: dict[str, Any], source_hash: str) -> dict[str, Any]:
    """What is stored of one compiled contract."""
    deployed = compiled["evm"]["deployedBytecode"]
    return {
        "name": name,
        "compiler": compiler,
        "source_hash": source_hash,
        "abi": compiled["abi"],
        "bytecode": "0x" + compiled["evm"]["bytecode"]["object"],
        "deployed_bytecode": "0x" + deployed["object"],
        "immutables": sorted(
            [place["start"], place["length"]] for places in deployed["immutableReferences"].values() for place in places
        ),
    }


def render(fields: dict[str, Any]) -> str:
    """The text of an artifact file."""
    return json.dumps(fields, indent=1) + "\n"


def differences(artifacts: dict[str, dict[str, Any]]) -> list[str]:
    """Names of artifact files that are missing, stale or too many."""
    wanted = {f"{name}.json": render(fields) for name, fields in artifacts.items()}
    stored = {path.name: path.read_text() for path in ARTIFACTS.glob("*.json")}
    return sorted(name for name in wanted.keys() | stored.keys() if wanted.get(name) != stored.get(name))


def _first_error(error: Any) -> str:
    """What the compiler says of its first error, without the whole output around it."""
    try:
        found = json.loads(error.stdout_data)["errors"]
    except (ValueError, KeyError, TypeError):
        return str(error.message).strip()
    serious = [entry for entry in found if entry["severity"] == "error"]
    return str((serious or found)[0]["formattedMessage"]).strip()
