"""Mutation: does a fault in a contract turn a test red?

A sample of the mutants of ``mutants.OPERATORS``, drawn by a seed and spread over the contracts, is tried in a copy of
the project: first forge's tests of the contract's folder (``CONCERNS``; without the gas figures, whose bars a fault may
move), and where they stay green and the contract has a model in Python, the Python tests on the mutant's own bytecode.
What neither sees survives, and survivors.toml says why it may.
"""

import os
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Final

from scripts.proof.mutants import Mutant, mutants, own_sources
from scripts.proof.result import FORGE, ROOT, Result, ToolFailed, run

MUTANTS: Final = 60
LEAST_PERCENT: Final = 90.0
SURVIVORS: Final = Path(__file__).with_name("survivors.toml")
COMPILE_TIMEOUT_S: Final = 1_800
MUTANT_TIMEOUT_S: Final = 900
COPIED: Final = ("contracts", "tests", "scripts", "foundry.toml", "pyproject.toml", "package.json")
LINKED: Final = ("node_modules", ".venv")
FORGE_TESTS: Final = (str(FORGE), "test", "--no-match-contract", "Gas", "--fail-fast")
CONCERNS: Final = {
    "assets": "Asset*",
    "escrow": "Escrow*",
    "governance": "Governance*",
    "market": "{Adjust,Attacks,Differential,Energy,Exchange,Invariant,Ledger,Registry,Settle,TradingMandates,Vault}*",
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


def prove(count: int, seed: int, only: str) -> Result:
    """Killed and survived; a survivor without a reason is a finding."""
    chosen = sample(count, seed, only)
    reasons = {(entry["path"], entry["before"]): entry["reason"] for entry in _explained()}
    result = Result("mutation")
    fates: dict[str, list[Mutant]] = {"forge": [], "python": [], "survived": [], "does not compile": []}
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
    killed = len(fates["forge"]) + len(fates["python"])
    tried = killed + len(fates["survived"])
    result.figures = {
        "tried": tried,
        "killed": killed,
        "killed by forge": len(fates["forge"]),
        "killed by Python only": len(fates["python"]),
        "survived": len(fates["survived"]),
        "explained": len(result.notes),
        "killed %": round(100 * killed / tried, 1) if tried else 0.0,
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
    """A copy to break, without what was compiled."""
    ignored = shutil.ignore_patterns("out", "cache", "__pycache__")
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
    path = project / mutant.path
    original = path.read_text()
    path.write_text(mutant.apply(original))
    try:
        forge = _noticed((*FORGE_TESTS, "--match-path", tests_of(mutant.path)), project)
        if forge is not None and "Compiler run failed" in forge:
            return "does not compile"
        if forge is not None:
            return "forge"
        seen = mutant.path.startswith(MODELLED) and _python_notices(project)
        return "python" if seen else "survived"
    finally:
        path.write_text(original)


def tests_of(path: str) -> str:
    """A pattern for the test files that look at a source file."""
    return f"tests/contracts/forge/{CONCERNS[path.split('/')[2]]}.t.sol"


def _noticed(command: Sequence[str], project: Path) -> str | None:
    """What the tests said when they failed; a test that hangs has noticed."""
    try:
        ran = run(command, profile="mutation", timeout_s=MUTANT_TIMEOUT_S, cwd=project, check=False)
    except ToolFailed as error:
        return str(error)
    return ran.stdout + ran.stderr if ran.returncode not in (0, NO_TESTS) else None


def _python_notices(project: Path) -> bool:
    """Compiles the mutant as it would be deployed and runs the Python tests on that."""
    artifacts = project / "contracts" / "artifacts"
    kept = {path: path.read_text() for path in artifacts.glob("*.json")}
    python = os.fspath(ROOT / ".venv" / "bin" / "python")
    try:
        run((python, "-m", "scripts.compile_contracts"), profile="default", timeout_s=COMPILE_TIMEOUT_S, cwd=project)
        return _noticed((python, *PYTHON_TESTS, *NOT_FOR_MUTANTS), project) is not None
    finally:
        for path, text in kept.items():
            path.write_text(text)
