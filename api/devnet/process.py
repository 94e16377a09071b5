"""Child processes of the devnet: started on a free port, watched, stopped, and never left behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from indexer.errors import ConfigError, GridtraceError

_WRAPPER = Path(__file__).with_name("child.py")
_PACKAGES = Path(__file__).parents[2]
_POLL_S = 0.02


class ServiceFailed(GridtraceError):
    """A service of the devnet does not start."""

    code = "service-failed"
    retryable = True


def free_port() -> int:
    """A TCP port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def reserve(wanted: int | None, usual: int) -> socket.socket:
    """A socket bound to the wanted port, else to the usual one, else to a free one; it keeps others off while open.

    Raises:
        ConfigError: the wanted port is taken.
    """
    for port in (wanted,) if wanted else (usual, 0):
        place = socket.socket()
        # As servers do: connections of an earlier run that linger are no hindrance.
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            if not port or not listens("127.0.0.1", port):
                place.bind(("127.0.0.1", port))
                return place
        except OSError:
            place.close()
            continue
        place.close()
    raise ConfigError([f"--port {wanted}: the port is taken"])


def listens(host: str, port: int, timeout_s: float = 0.5) -> bool:
    """Whether a TCP connection is taken."""
    try:
        with socket.create_connection((host, port), timeout=timeout_s):
            return True
    except OSError:
        return False


def wrapped(program: Sequence[str], death_signal: signal.Signals, owned: Sequence[Path] = ()) -> list[str]:
    """The command that becomes ``program`` and gets ``death_signal`` when this process dies.

    Where this process is root, the program runs as an ordinary user who owns the folders ``owned`` (if any).
    """
    folders = [part for path in owned for part in ("--own", str(path))]
    head = [sys.executable, "-I", "-S", str(_WRAPPER), str(os.getpid()), str(int(death_signal))]
    return [*head, *folders, "--", *program]


def importable(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment in which ``python -m`` finds these packages wherever it is started."""
    found = [str(_PACKAGES), *filter(None, [variables.get("PYTHONPATH")])]
    return {**variables, "PYTHONPATH": os.pathsep.join(found)}


class Service:
    """One server that a run needs. Subclasses say how it is started and when it answers.

    ``spawn`` must be called from the main thread: the kernel ties the child's life to the thread that made it.
    """

    name = "service"
    ready_s = 20.0
    stop_signal = signal.SIGTERM
    death_signal = signal.SIGTERM
    stop_s = 10.0

    def __init__(self, log: Path) -> None:
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients reach it."""
        raise ServiceFailed(f"{self.name} has no address")

    def command(self) -> list[str]:
        """Program and arguments."""
        raise ServiceFailed(f"{self.name} has no command")

    def environment(self) -> Mapping[str, str]:
        return importable(os.environ)

    def owned(self) -> Sequence[Path]:
        """Folders of a program that refuses to run as root."""
        return ()

    def answers(self) -> bool:
        """Whether it serves requests."""
        return self.alive()

    def spawn(self) -> None:
        """Starts the process and returns at once."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                wrapped(self.command(), self.death_signal, self.owned()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(self.environment()),
                # A Ctrl-C at the terminal is for the supervisor alone: it stops its children in order.
                start_new_session=True,
            )

    def wait_ready(self) -> None:
        """Returns once it answers; raises ServiceFailed with the end of its log where it does not in time."""
        end = time.monotonic() + self.ready_s
        while not self.answers():
            if not self.alive():
                raise ServiceFailed(f"{self.name} ended while starting: {self.log_tail()}")
            if time.monotonic() > end:
                raise ServiceFailed(f"{self.name} does not answer after {self.ready_s:.0f} s: {self.log_tail()}")
            time.sleep(_POLL_S)

    def start(self) -> None:
        """Starts it and waits until it answers."""
        self.spawn()
        try:
            self.wait_ready()
        except ServiceFailed:
            self.stop()
            raise

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        """Asks it to end, kills it where it does not in time. Stopping twice is fine."""
        process, self.process = self.process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(self.stop_signal)
        try:
            process.wait(self.stop_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)

    def log_tail(self, lines: int = 4) -> str:
        """The last lines it wrote."""
        try:
            text = self.log.read_text(errors="replace").strip().splitlines()[-lines:]
        except OSError:
            return "no log"
        return " | ".join(text) or "it wrote nothing"


class External(Service):
    """A server that somebody else runs, named by its address."""

    def __init__(self, name: str, url: str, host: str, port: int) -> None:
        super().__init__(Path(os.devnull))
        self.name = name
        self._url = url
        self._host, self._port = host, port

    @property
    def url(self) -> str:
        return self._url

    def spawn(self) -> None:
        pass

    def alive(self) -> bool:
        return True

    def answers(self) -> bool:
        return listens(self._host, self._port)

    def wait_ready(self) -> None:
        if not self.answers():
            raise ServiceFailed(f"{self.name} at {self._host}:{self._port} does not answer")
