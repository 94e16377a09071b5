"""Everything random, for long: forge's deep profile and the Python tests' --deep."""

import re
import sys
from typing import Final

from scripts.proof.result import FORGE, Result, run

TIMEOUT_S: Final = 6 * 3_600


def prove() -> Result:
    """The closing lines of both."""
    result = Result("deep")
    forge = run((FORGE, "test"), profile="deep", timeout_s=TIMEOUT_S, check=False)
    if found := re.search(r"(\d+) tests passed, (\d+) failed", forge.stdout):
        result.figures["forge tests passed"], result.figures["forge tests failed"] = int(found[1]), int(found[2])
    if forge.returncode:
        result.findings.append(f"forge test: {forge.stdout[-3000:]}{forge.stderr[-1000:]}")
    command = (sys.executable, "-m", "pytest", "tests/contracts", "-q", "--deep")
    python = run(command, profile="default", timeout_s=TIMEOUT_S, check=False)
    if found := re.search(r"(\d+) passed", python.stdout):
        result.figures["Python tests passed"] = int(found[1])
    if python.returncode:
        result.findings.append(f"pytest: {python.stdout[-3000:]}")
    return result
