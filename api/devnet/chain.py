"""The chain: the endpoint RPC_URL names, or anvil; and the market's pace given to its blocks."""

import gzip
import platform
import shutil
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from api.devnet.process import External, Service, free_port, listens
from indexer.errors import ConfigError

CHAIN_ID = 31337
EPOCH_BLOCKS = 16
FINALITY_BLOCKS = 2 * EPOCH_BLOCKS
"""How far anvil's finalized block lies behind its head."""
_PROJECT = Path(__file__).parents[2]


def binary() -> str:
    """Path of anvil; raises ConfigError where it is not installed."""
    if found := shutil.which("anvil"):
        return found
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    package = f"anvil-{platform.system().lower()}-{machine}"
    # The program itself, not npm's wrapper: a signal must reach it and nothing must be left behind.
    found_here = _PROJECT / "node_modules" / "@foundry-rs" / package / "bin" / "anvil"
    if found_here.exists():
        return str(found_here)
    fault = f"anvil is not at {found_here}: run `npm ci` (Node.js 20 or newer), put anvil on the PATH, or set RPC_URL"
    raise ConfigError([fault])


def service(folder: Path, log: Path, variables: Mapping[str, str], genesis_s: int) -> Service:
    """The endpoint of RPC_URL where that is set, else our own anvil whose first block has time ``genesis_s``."""
    if url := variables.get("RPC_URL"):
        parts = urlsplit(url.split(",")[0])
        port = parts.port or (443 if parts.scheme in ("https", "wss") else 80)
        return External("chain", url, parts.hostname or "127.0.0.1", port)
    return Anvil(log, state=folder / "chain.json.gz", genesis_s=genesis_s, mining=False)


class Anvil(Service):
    """anvil on the loopback address.

    With ``mining`` it mines a block for every transaction; without, only when told. It starts from the snapshot in
    ``state`` where there is one (see ``api.devnet.steerer``): anvil's own state file is torn by a kill while it writes.
    """

    name = "anvil"
    stop_s = 20.0

    def __init__(
        self,
        log: Path,
        *,
        port: int | None = None,
        state: Path | None = None,
        genesis_s: int | None = None,
        mining: bool = True,
    ) -> None:
        super().__init__(log)
        self.port = port or free_port()
        self.state = state
        self.genesis_s = genesis_s
        self.mining = mining
        self._old_states = log.with_name(f"{log.stem}.states")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        command = [binary(), "--host", "127.0.0.1", "--port", str(self.port), "--chain-id", str(CHAIN_ID)]
        # "finalized" follows the head by two epochs: further than the blocks that a killed anvil may lose, and no more.
        command += ["--slots-in-an-epoch", str(EPOCH_BLOCKS)]
        command += ["--cache-path", str(self._old_states)]
        # The gas limit per transaction is EIP-7825's.
        command += ["--enable-tx-gas-limit", "--quiet"]
        if not self.mining:
            command.append("--no-mining")
        if self.genesis_s is not None:
            command += ["--timestamp", str(self.genesis_s)]
        if self.state is not None and self.state.exists():
            command += ["--load-state", str(_unpacked(self.state))]
        return command

    def spawn(self) -> None:
        # A killed anvil leaves the states of old blocks behind, gigabytes in the user's home if it may choose.
        shutil.rmtree(self._old_states, ignore_errors=True)
        super().spawn()

    def stop(self) -> None:
        super().stop()
        shutil.rmtree(self._old_states, ignore_errors=True)

    def answers(self) -> bool:
        return self.alive() and listens("127.0.0.1", self.port)


def _unpacked(snapshot: Path) -> Path:
    plain = snapshot.with_suffix("")
    with gzip.open(snapshot) as packed, plain.open("wb") as target:
        shutil.copyfileobj(packed, target)
    return plain
