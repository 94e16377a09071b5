"""The API's configuration: the node's, and where and to whom it answers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from contracts.typed_data import BadAddress, parse_address
from indexer.config import Environment, natural, positive
from node.config import NodeConfig
from node.wallet import DEV_CHAIN_IDS


def _public_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/") or parts.query:
        raise ValueError("must be http:// or https://, a host and nothing more")
    return f"{parts.scheme}://{parts.netloc}"


def _accounts(text: str) -> frozenset[bytes]:
    try:
        return frozenset(parse_address(part.strip()) for part in text.split(",") if part.strip())
    except BadAddress as error:
        raise ValueError(str(error)) from error


def _hosts(text: str) -> frozenset[str]:
    found = frozenset(part.strip() for part in text.split(",") if part.strip())
    for host in found:
        if not re.fullmatch(r"[^\s/@]+:[0-9]{1,5}", host):
            raise ValueError("must be hosts with their port, separated by commas")
    return found


def _flag(text: str) -> bool:
    if text not in ("0", "1", "false", "true"):
        raise ValueError("must be 1 or 0")
    return text in ("1", "true")


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """What the API needs."""

    node: NodeConfig
    host: str
    """Interface to listen on."""
    port: int
    public_url: str
    """How people reach the page; sign-in messages must name its host."""
    operators: frozenset[bytes]
    """Accounts that are administrators when they sign in."""
    devnet: bool
    """Offers the faucet. Never on a chain with real money."""
    documents_dir: Path | None
    """Where papers are kept; with ``ipfs_api_url`` the legal ones alone."""
    ipfs_api_url: str | None
    """RPC address of a Kubo node that keeps and shares the papers that anyone may read."""
    webhook_hosts: frozenset[str]
    """Hosts with port, like ``127.0.0.1:9000``, that webhooks may go to although they are not public."""
    exports_dir: Path | None
    """Where files that were asked for are kept for a day; processes that share the database share it too."""
    sealing_key_file: Path | None
    """32 bytes that seal personal data; without them nobody can apply for clearance here."""
    intake_batch: int = 256
    """Most orders that one transaction takes."""
    rate_limit: int = 60_000
    """Tokens a minute of one client address; most requests take one. 0: no limit."""

    @property
    def domain(self) -> str:
        """Host and port that a sign-in message must name (EIP-4361)."""
        return urlsplit(self.public_url).netloc

    @property
    def secure(self) -> bool:
        """Whether cookies may only travel over TLS."""
        return self.public_url.startswith("https://")

    @classmethod
    def read(cls, env: Environment) -> "ApiConfig":
        port = env.read("GRIDTRACE_PORT", positive, 8_600)
        node = NodeConfig.read(env)
        devnet = env.read("GRIDTRACE_DEVNET", _flag, False)
        if devnet and node.indexer.chain_id not in DEV_CHAIN_IDS:
            env.faults.append(f"GRIDTRACE_DEVNET=1: chain {node.indexer.chain_id} is no development chain")
        documents_dir, ipfs_api_url = env.optional("GRIDTRACE_DOCUMENTS_DIR", Path), env.optional("IPFS_API_URL", str)
        if ipfs_api_url is not None and documents_dir is None:
            env.faults.append("IPFS_API_URL needs GRIDTRACE_DOCUMENTS_DIR too: legal papers stay on this machine")
        return cls(
            node=node,
            host=env.read("GRIDTRACE_HOST", str, "127.0.0.1"),
            port=port,
            public_url=env.read("GRIDTRACE_PUBLIC_URL", _public_url, f"http://127.0.0.1:{port}"),
            operators=env.read("GRIDTRACE_OPERATORS", _accounts, frozenset()),
            devnet=devnet,
            intake_batch=env.read("GRIDTRACE_INTAKE_BATCH", positive, 256),
            rate_limit=env.read("GRIDTRACE_RATE_LIMIT", natural, 60_000),
            documents_dir=documents_dir,
            ipfs_api_url=ipfs_api_url,
            webhook_hosts=env.read("GRIDTRACE_WEBHOOK_HOSTS", _hosts, frozenset()),
            exports_dir=env.optional("GRIDTRACE_EXPORTS_DIR", Path),
            sealing_key_file=env.optional("GRIDTRACE_SEALING_KEY_FILE", Path),
        )

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> "ApiConfig":
        """Reads and checks the whole configuration; raises ConfigError naming every fault."""
        env = Environment(variables)
        config = cls.read(env)
        env.check()
        return config
