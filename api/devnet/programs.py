"""Gridtrace's own processes as the devnet starts them, and the settings they are given."""

import os
import signal
import sys
from collections.abc import Mapping

from api.devnet.community import ZONE
from api.devnet.keys import KeyRing, write_secret
from api.devnet.process import Service, importable, listens
from api.devnet.settings import Folder
from contracts.typed_data import checksum
from indexer.clock import SimulatedClock
from node.config import Trading

GATE_LEAD_S = 300
GRACE_REAL_S = 3.0
GAP_REAL_S = 15.0
GAP_S = 1_800


class Program(Service):
    """One of our own processes: ``python -m MODULE ARGUMENT…``. It may be killed at any moment."""

    death_signal = signal.SIGKILL
    stop_s = 5.0

    def __init__(self, name: str, folder: Folder, arguments: list[str], variables: Mapping[str, str]) -> None:
        super().__init__(folder.logs / f"{name}.log")
        self.name = name
        self.arguments = arguments
        self.variables = variables

    def command(self) -> list[str]:
        return [sys.executable, "-m", *self.arguments]

    def environment(self) -> Mapping[str, str]:
        return importable(self.variables)


class Server(Program):
    """A program that answers on a TCP port."""

    def __init__(
        self, name: str, folder: Folder, arguments: list[str], variables: Mapping[str, str], port: int
    ) -> None:
        super().__init__(name, folder, arguments, variables)
        self.port = port

    def answers(self) -> bool:
        return self.alive() and listens("127.0.0.1", self.port)


def command(name: str) -> list[str]:
    """Arguments that start one of the three processes."""
    return ["api.cli.main", name]


def plain_environment() -> dict[str, str]:
    """What every process needs of ours: no settings and no secrets of the shell that started the run."""
    wanted = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "PYTHONPATH", "GRIDTRACE_LOG_LEVEL")
    return {name: os.environ[name] for name in wanted if name in os.environ} | {"PYTHONUNBUFFERED": "1"}


def settings(
    folder: Folder,
    keys: KeyRing,
    clock: SimulatedClock,
    *,
    database_url: str,
    rpc_url: str,
    redis_url: str,
    mqtt_url: str,
    port: int,
    slot_s: int,
    chain_id: int,
    trading: Trading = "auction",
) -> dict[str, str]:
    """The environment of index, node and serve. Periods that wait for meters grow with the pace of the clock."""
    rate = clock.rate
    database = folder.keys / "database-url"
    write_secret(database, database_url)
    return plain_environment() | {
        "DATABASE_URL_FILE": str(database),
        "RPC_URL": rpc_url,
        "REDIS_URL": redis_url,
        "MQTT_URL": mqtt_url,
        "GRIDTRACE_CHAIN_ID": str(chain_id),
        "GRIDTRACE_DEPLOYMENT": str(folder.deployment),
        "GRIDTRACE_CLOCK": str(clock),
        "GRIDTRACE_POLL_INTERVAL_S": "0.1",
        "GRIDTRACE_ZONES": str(ZONE),
        "GRIDTRACE_OPERATOR": checksum(keys.address("operator")),
        "GRIDTRACE_GRID_ACCOUNT": checksum(keys.address("grid")),
        "GRIDTRACE_OPERATOR_KEY_FILE": str(keys.file("operator")),
        "GRIDTRACE_GATEWAY_KEY_FILE": str(keys.file("gateway")),
        "GRIDTRACE_READINGS_SALT_FILE": str(keys.file("readings-salt")),
        "GRIDTRACE_SLOT_S": str(slot_s),
        "GRIDTRACE_GATE_LEAD_S": str(GATE_LEAD_S),
        "GRIDTRACE_TRADING": trading,
        "GRIDTRACE_READING_GRACE_S": str(max(300, int(GRACE_REAL_S * rate))),
        "GRIDTRACE_READING_GAP_S": str(max(GAP_S, int(GAP_REAL_S * rate))),
        "GRIDTRACE_METER_POLL_S": str(meter_poll_s(rate)),
        "GRIDTRACE_METER_BUFFER": str(folder.path / "meter-buffer"),
        "GRIDTRACE_HOST": "127.0.0.1",
        "GRIDTRACE_PORT": str(port),
        "GRIDTRACE_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "GRIDTRACE_OPERATORS": checksum(keys.address("operator")),
        "GRIDTRACE_DEVNET": "1",
        "GRIDTRACE_DOCUMENTS_DIR": str(folder.path / "documents"),
        "GRIDTRACE_EXPORTS_DIR": str(folder.path / "exports"),
        "GRIDTRACE_SEALING_KEY_FILE": str(keys.file("sealing")),
    }


def meter_poll_s(rate: float) -> float:
    """Real seconds between two reads of a meter: once a market minute where that is not too often or too rare."""
    return max(0.2, min(10.0, 60 / rate))
