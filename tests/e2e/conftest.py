"""A run of the whole product in a process of its own, and a browser where there is one."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import IO, Any

import pytest

ROOT = Path(__file__).parents[2]
PAGE = re.compile(r"the community trades: (http://\S+)")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@dataclass
class GridtraceRun:
    """``gridtrace run … --exit --json`` while it runs and after."""

    state_dir: Path
    process: subprocess.Popen[str]
    progress: list[str] = field(default_factory=list)
    family: dict[int, str] = field(default_factory=dict)
    """Every process seen below the run: number to start time."""

    def wait_for(self, what: str, found: Callable[[], Any], limit_s: float) -> Any:
        """The first true answer of ``found``; fails with the run's progress where it does not come."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            if answer := found():
                return answer
            assert self.process.poll() is None, f"the run ended before {what}: {self.told()}"
            time.sleep(0.1)
        pytest.fail(f"no {what} after {limit_s:.0f} s: {self.told()}")

    def page(self, limit_s: float = 120) -> str:
        """Address of the page, once the community trades."""

        def told() -> str | None:
            found = PAGE.search("".join(self.progress))
            return found[1] if found else None

        return str(self.wait_for("page", told, limit_s))

    def slots_told(self) -> int:
        """How many slots have been reported as settled and audited."""
        return sum("audited" in line for line in self.progress)

    def pid_of(self, argument: str) -> int:
        """The process of this run that was started as ``gridtrace ARGUMENT``."""
        for pid in descendants(self.process.pid):
            if command_of(pid)[1:] == ["-m", "api.cli.main", argument]:
                return pid
        pytest.fail(f"{argument} does not run: {self.told()}")

    def remember_family(self) -> None:
        """Takes down who runs now, to see later that nobody is left."""
        for pid in descendants(self.process.pid):
            if started := start_time(pid):
                self.family[pid] = started

    def end(self, limit_s: float) -> dict[str, Any]:
        """Waits for the end; returns the summary."""
        try:
            self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the run does not end: {self.told()}")
        assert self.process.returncode == 0, f"exit code {self.process.returncode}: {self.told()}"
        assert self.process.stdout is not None
        summary: dict[str, Any] = json.loads(self.process.stdout.read().splitlines()[-1])
        return summary

    def left_behind(self) -> list[int]:
        """Processes of the run that still run."""
        return [pid for pid, started in self.family.items() if start_time(pid) == started]

    def told(self) -> str:
        """The end of its progress and of every log."""
        logs = [
            f"--- {log.name}\n{''.join(log.read_text(errors='replace').splitlines(keepends=True)[-8:])}"
            for log in sorted((self.state_dir / "logs").glob("*.log"))
        ]
        return "".join([*self.progress[-20:], *logs])


def descendants(pid: int) -> list[int]:
    """All processes below one, from /proc."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            found += [child, *descendants(child)]
    return found


def command_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
    except OSError:
        return []


def start_time(pid: int) -> str | None:
    """Together with the number it names a process for good; None where it is gone or only waits to be reaped."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


@pytest.fixture
def start_run(tmp_path: Path) -> Iterator[Callable[..., GridtraceRun]]:
    """Starts runs, and ends those that a failed test leaves."""
    runs: list[GridtraceRun] = []

    def start(*options: str) -> GridtraceRun:
        state_dir = tmp_path / f"state-{len(runs)}"
        command = [sys.executable, "-m", "api.cli.main", "run", "--exit", "--json", "--state-dir", str(state_dir)]
        process = subprocess.Popen(
            [*command, *options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "COLUMNS": "200"},
        )
        run = GridtraceRun(state_dir, process)
        assert process.stderr is not None
        Thread(target=_collect, args=(process.stderr, run.progress), daemon=True).start()
        runs.append(run)
        return run

    yield start
    for run in runs:
        if run.process.poll() is None:
            run.process.terminate()
            run.process.wait(30)
        for stream in (run.process.stdout, run.process.stderr):
            if stream is not None:
                stream.close()


def _collect(source: IO[str], lines: list[str]) -> None:
    lines.extend(iter(source.readline, ""))


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a browser; skips where there is none."""
    if CHROMIUM is None:
        pytest.skip("no chromium on the PATH: the page is not opened in a browser")
    return CHROMIUM
