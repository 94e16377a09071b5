"""What one part of the proof found."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from scripts import forge

ROOT: Final = Path(__file__).parents[2]
TOOLS: Final = ROOT / ".venv-proof" / "bin"
FORGE: Final = forge.binary()


class ToolFailed(Exception):
    """A tool did not run, or its answer cannot be read."""


@dataclass
class Result:
    """Figures to show, and what has to be looked at; ``ok`` where nothing has."""

    part: str
    figures: dict[str, Any] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return not self.findings


def run(
    command: Sequence[str | Path], *, profile: str, timeout_s: float, cwd: Path = ROOT, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Runs a tool under one of foundry.toml's profiles. Raises ToolFailed."""
    environment = {**os.environ, "FOUNDRY_PROFILE": profile, "NO_COLOR": "1", "PYTHONHASHSEED": "0"}
    try:
        ran = subprocess.run(
            [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout_s
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolFailed(f"{command[0]}: {error}") from error
    if check and ran.returncode:
        raise ToolFailed(f"{command[0]} gave {ran.returncode}: {ran.stdout[-1500:]}{ran.stderr[-1500:]}")
    return ran
