"""halmos over tests/contracts/halmos: for all inputs, not for some."""

import json
import tempfile
from pathlib import Path
from typing import Final

from scripts.proof.result import TOOLS, Result, ToolFailed, run

TIMEOUT_S: Final = 3_600
SOLVER_TIMEOUT_MS: Final = 300_000


def prove() -> Result:
    """Every check_ function; a counterexample, a time-out or an error is a finding."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "halmos.json"
        command = (
            TOOLS / "halmos",
            "--root",
            ".",
            "--forge-build-out",
            "contracts/out/halmos",
            "--json-output",
            answer,
        )
        limits = ("--solver-timeout-assertion", str(SOLVER_TIMEOUT_MS), "--no-status")
        ran = run((*command, *limits), profile="halmos", timeout_s=TIMEOUT_S, check=False)
        if not answer.exists():
            raise ToolFailed(f"halmos: {ran.stdout[-1500:]}{ran.stderr[-1500:]}")
        contracts = json.loads(answer.read_text())["test_results"]
    result = Result("halmos")
    proved = paths = 0
    for contract, tests in contracts.items():
        for test in tests:
            name = f"{contract.rpartition(':')[2]}.{test['name']}"
            paths += (test.get("num_paths") or (0,))[0]
            if test["exitcode"] == 0:
                proved += 1
            else:
                result.findings.append(
                    f"{name}: exit code {test['exitcode']}, {test.get('num_models')} counterexamples"
                )
    result.figures = {"proved": proved, "not proved": len(result.findings), "paths": paths}
    if not proved:
        result.findings.append("no test ran")
    return result
