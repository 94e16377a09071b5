"""Starts one process per participant: ``python -m api.devnet.participants --spec FILE.json`` until terminated.

What they need is loaded once and every participant is forked from there. A participant that dies is started again.
FILE.json is a list of ``api.devnet.participant.Identity``.
"""

import argparse
import asyncio
import ctypes
import gc
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Final

import msgspec

from api.devnet.participant import Identity, live

logger = logging.getLogger(__name__)

POLL_S: Final = 0.2
RESTART_S: Final = 1.0
PR_SET_PDEATHSIG: Final = 1


def write_spec(path: Path, identities: list[Identity]) -> None:
    """Writes the list of who takes part."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(identities)))


def become(identity: Identity, parent: int) -> None:
    """The life of one forked process; does not return."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    try:
        asyncio.run(live(identity))
    except BaseException:
        logger.exception("name=%s ended", identity.name)
    os._exit(1)


class Crowd:
    """The processes of all participants."""

    def __init__(self, identities: list[Identity]) -> None:
        self.identities = identities
        self.processes: dict[int, Identity] = {}
        self.ended = False

    def start(self, identity: Identity) -> None:
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            become(identity, parent)
        self.processes[pid] = identity

    def run(self) -> None:
        """Starts everybody, and again whoever dies, until told to end."""
        for identity in self.identities:
            self.start(identity)
        logger.info("participants=%d", len(self.processes))
        while not self.ended:
            while (found := self._reaped()) is not None:
                logger.warning("name=%s died, starts again", found.name)
                time.sleep(RESTART_S)
                self.start(found)
            time.sleep(POLL_S)
        for pid in self.processes:
            os.kill(pid, signal.SIGKILL)

    def end(self, *_: object) -> None:
        self.ended = True

    def _reaped(self) -> Identity | None:
        pid, _ = os.waitpid(-1, os.WNOHANG) if self.processes else (0, 0)
        return self.processes.pop(pid, None)


def main() -> None:
    """Runs the participants of a spec file."""
    parser = argparse.ArgumentParser(prog="api.devnet.participants", description=__doc__)
    parser.add_argument("--spec", type=Path, required=True)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    crowd = Crowd(msgspec.json.decode(options.spec.read_bytes(), type=list[Identity]))
    signal.signal(signal.SIGTERM, crowd.end)
    signal.signal(signal.SIGINT, crowd.end)
    # What is loaded now is shared by all: the collector must not touch, and so copy, its pages.
    gc.freeze()
    crowd.run()


if __name__ == "__main__":
    main()
