"""slither over our sources: every finding of high or medium impact is explained in triage.toml, or it counts."""

import json
import shutil
import tomllib
from pathlib import Path
from typing import Any, Final

from scripts.proof.result import FORGE, ROOT, TOOLS, Result, ToolFailed, run

TRIAGE: Final = Path(__file__).with_name("triage.toml")
TIMEOUT_S: Final = 1_200
OUT: Final = "contracts/out/analysis"
CACHE: Final = "contracts/cache/analysis"
SERIOUS: Final = ("High", "Medium")


def prove() -> Result:
    """Detectors and paths are slither.config.json's."""
    for stale in (ROOT / OUT, ROOT / CACHE):  # slither reads all builds there are, old ones too
        shutil.rmtree(stale, ignore_errors=True)
    run((FORGE, "build", "contracts/src"), profile="analysis", timeout_s=TIMEOUT_S)
    command = (TOOLS / "slither", ".", "--ignore-compile", "--foundry-out-directory", OUT, "--json", "-")
    ran = run(command, profile="analysis", timeout_s=TIMEOUT_S, check=False)
    try:
        answer = json.loads(ran.stdout)
    except ValueError as error:
        raise ToolFailed(f"slither gave {ran.returncode}: {ran.stdout[-500:]}{ran.stderr[-1500:]}") from error
    if not answer["success"]:
        raise ToolFailed(f"slither: {answer['error']}")
    return judge(answer["results"].get("detectors", []), tomllib.loads(TRIAGE.read_text())["finding"])


def judge(found: list[dict[str, Any]], explained: list[dict[str, str]]) -> Result:
    """Unexplained findings, and explanations of what is no longer found."""
    result = Result("slither")
    reasons = {(entry["check"], entry["where"]): entry["reason"] for entry in explained}
    used = set()
    counts = dict.fromkeys((*SERIOUS, "Low"), 0)
    for finding in found:
        counts[finding["impact"]] = counts.get(finding["impact"], 0) + 1
        key = (finding["check"], place(finding["elements"][0]))
        if finding["impact"] not in SERIOUS:
            continue
        if key in reasons:
            used.add(key)
        else:
            what = " ".join(finding["description"].split())
            result.findings.append(f"{finding['impact']} {key[0]} at {key[1]}: {what[:300]}")
    result.findings += [
        f"explained but not found: {check} at {where}" for check, where in sorted(reasons.keys() - used)
    ]
    result.figures = {f"{impact.lower()} impact": count for impact, count in counts.items()}
    result.figures["explained"] = len(used)
    result.figures["unexplained"] = len(result.findings)
    return result


def place(element: dict[str, Any]) -> str:
    """Contract, function and variable of an element, dotted."""
    names = [element["name"]]
    while element := element.get("type_specific_fields", {}).get("parent", {}):
        if element["type"] in ("function", "contract"):
            names.insert(0, element["name"])
    return ".".join(names)
