"""The protocol's loop for adapters: stands beside them and needs nothing but Python."""

import json
import sys
from collections.abc import Callable
from typing import Any


def serve(clear: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Answers every line of standard input; an engine's exception is an answer too."""
    out, sys.stdout = sys.stdout, sys.stderr  # what an engine prints is not an answer
    for line in sys.stdin:
        try:
            answer = clear(json.loads(line))
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=out, flush=True)
