"""Mutation: does a fault in a contract turn a test red?

A sample of the mutants of ``mutants.OPERATORS``, drawn by a seed and spread over the contracts, is tried in a copy of
the project. The tests deploy their contracts from artifacts (``dynamic_test_linking``), so they are compiled once: of a
mutant only the contracts that it changes are, as they would be deployed, and that bytecode is put in the artifacts'
place. Then forge's tests of the contract's folder run (``CONCERNS``; without the gas figures, whose bars a fault may
move), and where they stay green and the contract has a model in Python, the Python tests. What neither sees survives,
and survivors.toml says why it may. A test file that inherits a contract has it compiled in and does not see its
mutants: such harnesses stand in files of their own.
"""

import json
import os
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

import solcx

from node.deploy import compiler
from scripts.proof.mutants import Mutant, mutants, own_sources
from scripts.proof.result import FORGE, ROOT, Result, ToolFailed, run

MUTANTS: Final = 60
LEAST_PERCENT: Final = 90.0
SURVIVORS: Final = Path(__file__).with_name("survivors.toml")
COMPILE_TIMEOUT_S: Final = 3_600
MUTANT_TIMEOUT_S: Final = 900
COPIED: Final = ("contracts", "tests", "scripts", "foundry.toml", "pyproject.toml", "package.json")
LINKED: Final = ("node_modules", ".venv")
FORGE_TESTS: Final = (str(FORGE), "test", "--no-match-contract", "Gas", "--fail-fast")
CONCERNS: Final = {
    "assets": "Asset*",
    "escrow": "Escrow*",
    "governance": "Governance*",
    "market": "{Adjust,Attacks,Differential,EnergyToken,Invariant,Ledger,Registry,Settle,TradingMandates,Vault}*",
    "provenance": "{Carbon,Certificates,Products,Provenance}*",
    "registry": "{Registry,Governance,Ledger,Vault}*",
    "staking": "Staking*",
    "token": "{EnergyToken,Trace,PaymentToken,Governance,Vault}*",
}
"""Of every folder of contracts/src, the names of the test files that look at it."""
MODELLED: Final = "contracts/src/market/"
NO_TESTS: Final = 5
"""pytest's exit code where there is no test."""
PYTHON_TESTS: Final = ("-m", "pytest", "tests/contracts", "-q", "-x", "-p", "no:cacheprovider")
NOT_FOR_MUTANTS: Final = (
    "--deselect",
    "tests/contracts/test_artifacts.py",
    "--deselect",
    "tests/contracts/test_snapshots.py",
)
KILLED: Final = ("forge", "python")


def prove(count: int, seed: int, only: str) -> Result:
    """Killed and survived; a survivor without a reason is a finding."""
    chosen = sample(count, seed, only)
    reasons = {(entry["path"], entry["before"]): entry["reason"] for entry in _explained()}
    result = Result("mutation")
    fates: dict[str, list[Mutant]] = {fate: [] for fate in (*KILLED, "survived", "in no contract", "does not compile")}
    with tempfile.TemporaryDirectory(prefix="gridtrace-mutation-") as folder:
        project = copy_project(Path(folder))
        built = run(FORGE_TESTS, profile="mutation", timeout_s=COMPILE_TIMEOUT_S, cwd=project, check=False)
        if built.returncode:
            raise ToolFailed(f"the tests fail without a mutant: {built.stdout[-1500:]}{built.stderr[-500:]}")
        for number, mutant in enumerate(chosen, 1):
            fate = try_one(project, mutant)
            fates[fate].append(mutant)
            print(f"{number}/{len(chosen)} {fate}: {mutant.name}", file=sys.stderr, flush=True)
    for mutant in fates["survived"]:
        reason = reasons.get((mutant.path, mutant.before.strip()))
        (result.notes if reason else result.findings).append(
            f"survived: {mutant.name}" + (f" ({reason})" if reason else "")
        )
    killed = sum(len(fates[fate]) for fate in KILLED)
    tried = killed + len(fates["survived"])
    result.figures = {
        "tried": tried,
        "killed": killed,
        "killed by forge": len(fates["forge"]),
        "killed by Python only": len(fates["python"]),
        "survived": len(fates["survived"]),
        "explained": len(result.notes),
        "killed %": round(100 * killed / tried, 1) if tried else 0.0,
        "without effect": len(fates["in no contract"]) + len(fates["does not compile"]),
        "of": sum(1 for _ in all_mutants(only)),
        "seed": seed,
    }
    return result


def _explained() -> Sequence[dict[str, str]]:
    found: Sequence[dict[str, str]] = tomllib.loads(SURVIVORS.read_text()).get("survivor", ())
    return found


def all_mutants(only: str) -> list[Mutant]:
    paths = [path for path in own_sources(ROOT) if only in path]
    return [mutant for path in paths for mutant in mutants(path, (ROOT / path).read_text())]


def sample(count: int, seed: int, only: str) -> list[Mutant]:
    """The same mutants for the same sources and seed; a file gets as many as it has a share of, one at least."""
    by_file: dict[str, list[Mutant]] = {}
    for mutant in all_mutants(only):
        by_file.setdefault(mutant.path, []).append(mutant)
    total = sum(map(len, by_file.values()))
    chosen: list[Mutant] = []
    for path, found in by_file.items():
        share = max(1, round(count * len(found) / total))
        chosen += Random(f"{seed} {path}").sample(found, min(share, len(found)))
    return chosen


def copy_project(folder: Path) -> Path:
    """A copy to break, with what is compiled already."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy2(source, folder / name)
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)
    for package in ("indexer", "node", "api", "migrations"):
        (folder / package).symlink_to(ROOT / package)
    return folder


def try_one(project: Path, mutant: Mutant) -> str:
    """Who noticed."""
    try:
        changed = compiled_with(mutant)
    except solcx.exceptions.SolcError:
        return "does not compile"
    if not changed:
        return "in no contract"
    files = {path: text for name, fields in changed.items() for path, text in _replaced(project, name, fields)}
    kept = {path: path.read_text() for path in files}
    try:
        for path, text in files.items():
            path.write_text(text)
        if _noticed((*FORGE_TESTS, "--match-path", tests_of(mutant.path)), project):
            return "forge"
        python = os.fspath(ROOT / ".venv" / "bin" / "python")
        modelled = mutant.path.startswith(MODELLED)
        seen = modelled and _noticed((python, *PYTHON_TESTS, *NOT_FOR_MUTANTS), project)
        return "python" if seen else "survived"
    finally:
        for path, text in kept.items():
            path.write_text(text)


def compiled_with(mutant: Mutant) -> dict[str, dict[str, Any]]:
    """What the compiler makes of the contracts that the mutant is a part of, by name. Raises SolcError."""
    units = {name: unit for name, unit in compiler.definitions().items() if mutant.path in compiler.closure([unit])}
    if not units:
        return {}
    sources = compiler.closure(list(units.values()))
    sources[mutant.path] = mutant.apply(sources[mutant.path])
    wanted = ["evm.bytecode.object", "evm.deployedBytecode.object"]
    job = {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in sources.items()},
        "settings": {
            **compiler.settings(),
            "outputSelection": {unit: {name: wanted} for name, unit in units.items()},
        },
    }
    output = solcx.compile_standard(job, solc_binary=compiler.SOLC)
    return {name: output["contracts"][unit][name]["evm"] for name, unit in units.items()}


def _replaced(project: Path, name: str, code: dict[str, Any]) -> list[tuple[Path, str]]:
    """The two artifacts of a contract with other code: forge's, and the one that Python deploys."""
    built = project / "contracts" / "out" / f"{name}.sol" / f"{name}.json"
    of_forge = json.loads(built.read_text())
    of_forge["bytecode"]["object"] = "0x" + code["bytecode"]["object"]
    of_forge["deployedBytecode"]["object"] = "0x" + code["deployedBytecode"]["object"]
    committed = project / "contracts" / "artifacts" / f"{name}.json"
    ours = json.loads(committed.read_text())
    ours["bytecode"] = "0x" + code["bytecode"]["object"]
    ours["deployed_bytecode"] = "0x" + code["deployedBytecode"]["object"]
    return [(built, json.dumps(of_forge, separators=(",", ":"))), (committed, compiler.render(ours))]


def tests_of(path: str) -> str:
    """A pattern for the test files that look at a source file."""
    return f"tests/contracts/forge/{CONCERNS[path.split('/')[2]]}.t.sol"


def _noticed(command: Sequence[str], project: Path) -> bool:
    """Whether the tests failed; a test that hangs has noticed."""
    try:
        ran = run(command, profile="mutation", timeout_s=MUTANT_TIMEOUT_S, cwd=project, check=False)
    except ToolFailed:
        return True
    return ran.returncode not in (0, NO_TESTS)
