"""Lines and branches of our contracts that forge's tests reach.

forge maps few instructions of an assembly block to its lines, so what it calls unreached inside of one says nothing:
those lines and branches are left out here, and their number is shown. Mutation and the comparison with the Python model
cover them.
"""

import re
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from scripts.proof.result import FORGE, ROOT, Result, ToolFailed, run

LEAST_PERCENT: Final = 98.0
TIMEOUT_S: Final = 3_600
SKIPPED: Final = ("--skip", "Gas.t.sol", "--skip", "Differential.t.sol")
"""What adds no line that other tests do not reach: with all files at once, the compiler's 4 GB do not suffice."""
OWN: Final = "contracts/src/"
LEFT_OUT: Final = ("contracts/src/reference/", "contracts/src/interfaces/")
_ASSEMBLY: Final = re.compile(r"^\s*assembly\b.*\{")


@dataclass
class File:
    lines: dict[int, int] = field(default_factory=dict)
    branches: dict[tuple[int, str], int] = field(default_factory=dict)


def prove() -> Result:
    """At least 98 % of lines and of branches, in every contract."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "lcov.info"
        tests = (*SKIPPED, "--report", "lcov", "--report-file", report)
        ran = run((FORGE, "coverage", "--ir-minimum", *tests), profile="coverage", timeout_s=TIMEOUT_S, check=False)
        if not report.exists():
            raise ToolFailed(f"forge coverage: {ran.stdout[-1500:]}{ran.stderr[-1500:]}")
        files = parse(report.read_text())
    result = Result("coverage")
    if ran.returncode:
        result.findings.append(f"tests failed: {ran.stdout[-800:]}")
    return judge(files, result)


def parse(lcov: str) -> dict[str, File]:
    """Our files by path: how often each line and each branch was reached."""
    files: dict[str, File] = defaultdict(File)
    path = ""
    for line in lcov.splitlines():
        kind, _, value = line.partition(":")
        if kind == "SF":
            path = value
        elif kind == "DA":
            number, count = value.split(",")[:2]
            files[path].lines[int(number)] = int(count)
        elif kind == "BRDA":
            number, block, branch, taken = value.split(",")
            files[path].branches[int(number), f"{block}.{branch}"] = 0 if taken == "-" else int(taken)
    return {path: file for path, file in files.items() if path.startswith(OWN) and not path.startswith(LEFT_OUT)}


def assembly_lines(source: str) -> set[int]:
    """Numbers of the lines inside assembly blocks."""
    inside: set[int] = set()
    depth = 0
    for number, line in enumerate(source.splitlines(), 1):
        if depth == 0 and _ASSEMBLY.match(line):
            depth = line.count("{") - line.count("}")
            inside.add(number)
        elif depth:
            inside.add(number)
            depth += line.count("{") - line.count("}")
    return inside


def judge(files: dict[str, File], result: Result) -> Result:
    """Percentages, and the lines and branches that are missing."""
    totals = [0, 0, 0, 0]
    hidden_lines = hidden_branches = 0
    for path, file in sorted(files.items()):
        assembly = assembly_lines((ROOT / path).read_text())
        lines = {number: count for number, count in file.lines.items() if count or number not in assembly}
        branches = {place: count for place, count in file.branches.items() if count or place[0] not in assembly}
        hidden_lines += len(file.lines) - len(lines)
        hidden_branches += len(file.branches) - len(branches)
        missed_lines = sorted(number for number, count in lines.items() if not count)
        missed_branches = sorted({number for (number, _), count in branches.items() if not count})
        taken = sum(map(bool, branches.values()))
        counts = (len(lines) - len(missed_lines), len(lines), taken, len(branches))
        totals = [total + count for total, count in zip(totals, counts, strict=True)]
        shares = (share(*counts[:2]), share(*counts[2:]))
        text = f"{path}: lines {shares[0]:.1f} %, branches {shares[1]:.1f} %"
        missing = (
            f"; lines {missed_lines}, branches of lines {missed_branches}" if missed_lines or missed_branches else ""
        )
        (result.notes if min(shares) >= LEAST_PERCENT else result.findings).append(text + missing)
    result.figures = {
        "lines %": round(share(*totals[:2]), 2),
        "branches %": round(share(*totals[2:]), 2),
        "contracts below": len(result.findings),
        "assembly lines left out": hidden_lines,
        "assembly branches left out": hidden_branches,
    }
    return result


def share(reached: int, total: int) -> float:
    return 100.0 * reached / total if total else 100.0
