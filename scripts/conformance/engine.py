"""An engine under test: a program that reads a book from each line of its input and answers each with a line."""

import json
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from queue import Empty, Queue
from threading import Thread
from typing import IO, Any


class Engine:
    """Runs the program and starts it again where it dies. Use it as a context manager."""

    def __init__(self, command: str, *, timeout_s: float) -> None:
        self._command, self._timeout_s = shlex.split(command), timeout_s
        self._process: subprocess.Popen[str] | None = None
        self._lines: Queue[str] = Queue()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def answers(self, requests: Sequence[str]) -> Iterator[Any]:
        """One answer for each request; None where the engine dies, is late, or says what is not JSON."""
        return map(self._ask, requests)

    def _ask(self, request: str) -> Any:
        process = self._process or self._start()
        assert process.stdin is not None
        try:
            process.stdin.write(request + "\n")
            process.stdin.flush()
            line = self._lines.get(timeout=self._timeout_s)
            return json.loads(line)
        except (BrokenPipeError, Empty):
            self._stop()
        except json.JSONDecodeError:
            if not line:  # it ended
                self._stop()
        return None

    def _start(self) -> "subprocess.Popen[str]":
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._lines = Queue()
        Thread(target=_forward, args=(self._process.stdout, self._lines), daemon=True).start()
        return self._process

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        self._process = None


def _forward(source: IO[str], lines: "Queue[str]") -> None:
    """Its end is an empty line."""
    with suppress(ValueError):  # closed under us
        for line in source:
            lines.put(line)
    lines.put("")
