"""Configuration, read once at a process's door into frozen values; all faults are reported together.

Every setting is one environment variable. A secret ``NAME`` may be given as a file by ``NAME_FILE``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from indexer.clock import SimulatedClock
from indexer.errors import ConfigError

T = TypeVar("T")


class Environment:
    """Reads settings out of a mapping and collects every fault instead of stopping at the first."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.faults: list[str] = []

    def read(self, name: str, parse: Callable[[str], T], default: T | None = None) -> T:
        """The parsed setting; ``default`` where it is not set, a fault where that is None.

        After a fault the returned value must not be used: ``check`` raises before anyone can.
        """
        text = self._variables.get(name)
        if text is None or text == "":
            if default is None:
                self.faults.append(f"{name} is not set")
            return default  # type: ignore[return-value]
        try:
            return parse(text)
        except (ValueError, OSError) as error:
            self.faults.append(f"{name}={text!r}: {error}")
            return default  # type: ignore[return-value]

    def optional(self, name: str, parse: Callable[[str], T]) -> T | None:
        """The parsed setting, or None where it is not set."""
        return self.read(name, parse) if self._variables.get(name) else None

    def secret(self, name: str, default: str | None = None) -> str:
        """A secret from ``NAME_FILE`` or ``NAME``; never repeated in a fault."""
        if path := self._variables.get(f"{name}_FILE"):
            try:
                return Path(path).read_text().strip()
            except OSError as error:
                self.faults.append(f"{name}_FILE={path!r}: {error.strerror}")
                return ""
        value = self._variables.get(name) or default
        if value is None:
            self.faults.append(f"neither {name} nor {name}_FILE is set")
            return ""
        return value

    def check(self) -> None:
        """Raises ConfigError naming every fault found so far."""
        if self.faults:
            raise ConfigError(self.faults)


def positive(text: str) -> int:
    """A whole number above zero."""
    value = int(text)
    if value <= 0:
        raise ValueError("must be a whole number above zero")
    return value


def natural(text: str) -> int:
    """A whole number from zero."""
    value = int(text)
    if value < 0:
        raise ValueError("must be a whole number from zero")
    return value


def seconds(text: str) -> float:
    """A finite number from zero."""
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ValueError("must be a number of seconds from zero")
    return value


def urls(text: str) -> tuple[str, ...]:
    """One or more addresses, separated by commas."""
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    if not found or any("://" not in url for url in found):
        raise ValueError("must be one or more addresses like http://host:port, separated by commas")
    return found


@dataclass(frozen=True, slots=True)
class IndexerConfig:
    """What the indexer needs."""

    database_url: str
    """PostgreSQL, as ``postgresql://user:password@host:port/name``."""
    rpc_urls: tuple[str, ...]
    """HTTP or WebSocket endpoints of one chain, the preferred one first."""
    chain_id: int
    """EIP-155 number of the chain; an endpoint of another chain is refused."""
    deployment: Path
    """JSON file with the contracts' addresses and their first block (written by ``gridtrace deploy``); not read where
    a manifest says what is indexed."""
    clock: SimulatedClock
    """Market time as ``real:market:rate``; the default is real time."""
    poll_interval_s: float
    """How often the head is polled where no WebSocket tells of it."""
    reconcile_s: float = 0.0
    """Seconds between samples of balances that are compared with the contracts; 0 for never."""
    verify: int = 0
    """Blocks checked against their receipts: 1 for all, n for one in n, 0 for none beyond what the filters doubt."""
    cache: Path | None = None
    """Folder for final blocks, so that indexing them again asks the chain for nothing; none by default."""
    cache_bytes: int = 10_000_000_000
    """How large the folder may grow."""
    stream_redis_url: str | None = None
    """Redis that gets every block's events in the stream ``gridtrace:events``; none by default."""
    webhook_url: str | None = None
    """HTTP address that gets every block's events; none by default."""
    webhook_secret: str = ""
    """Signs what the webhook gets."""
    metrics_port: int | None = None
    """Local port that answers Prometheus; none by default."""
    version: str | None = None
    """Version of the mirror to write, beside the one that is served; by default the served tables themselves."""
    manifest: Path | None = None
    """TOML file that says which contracts are indexed, of any chains; those of the deployment where not set."""

    @classmethod
    def read(cls, env: Environment) -> "IndexerConfig":
        manifest = env.optional("GRIDTRACE_MANIFEST", Path)
        webhook = env.optional("GRIDTRACE_WEBHOOK_URL", str)
        return cls(
            database_url=env.secret("DATABASE_URL"),
            rpc_urls=env.read("RPC_URL", urls),
            chain_id=env.read("GRIDTRACE_CHAIN_ID", positive),
            deployment=env.read("GRIDTRACE_DEPLOYMENT", Path, None if manifest is None else Path()),
            clock=env.read("GRIDTRACE_CLOCK", SimulatedClock.parse, SimulatedClock()),
            poll_interval_s=env.read("GRIDTRACE_POLL_INTERVAL_S", float, 0.25),
            reconcile_s=env.read("GRIDTRACE_RECONCILE_S", seconds, 30.0),
            verify=env.read("GRIDTRACE_VERIFY", natural, 0),
            cache=env.optional("GRIDTRACE_INDEXER_CACHE", Path),
            cache_bytes=env.read("GRIDTRACE_INDEXER_CACHE_BYTES", positive, 10_000_000_000),
            stream_redis_url=env.optional("GRIDTRACE_STREAM_REDIS_URL", str),
            webhook_url=webhook,
            webhook_secret=env.secret("GRIDTRACE_WEBHOOK_SECRET", None if webhook else ""),
            metrics_port=env.optional("GRIDTRACE_INDEXER_METRICS_PORT", positive),
            version=env.optional("GRIDTRACE_INDEX_VERSION", str),
            manifest=manifest,
        )

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> "IndexerConfig":
        """Reads and checks the whole configuration.

        Raises:
            ConfigError: one or more settings are missing or wrong; names all of them.
        """
        env = Environment(variables)
        config = cls.read(env)
        env.check()
        return config
