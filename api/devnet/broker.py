"""The MQTT broker: the one MQTT_URL names, or amqtt in a process of its own (``python -m api.devnet.broker PORT``)."""

import asyncio
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from api.devnet.process import External, Service, free_port, listens


def service(log: Path, variables: Mapping[str, str]) -> Service:
    """The broker of MQTT_URL where that is set, else our own."""
    if url := variables.get("MQTT_URL"):
        parts = urlsplit(url)
        return External("MQTT broker", url, parts.hostname or "127.0.0.1", parts.port or 1883)
    return BrokerServer(log)


class BrokerServer(Service):
    """amqtt on the loopback address, open to everyone on this machine who gives a name.

    For clients without one it keeps nothing while they are away.
    """

    name = "MQTT broker"
    death_signal = signal.SIGKILL

    def __init__(self, log: Path, *, port: int | None = None) -> None:
        super().__init__(log)
        self.port = port or free_port()

    @property
    def url(self) -> str:
        return f"mqtt://gridtrace@127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        return [sys.executable, "-m", "api.devnet.broker", str(self.port)]

    def answers(self) -> bool:
        return self.alive() and listens("127.0.0.1", self.port)


async def serve(port: int) -> None:
    """Runs the broker until the process is asked to end."""
    from amqtt.broker import Broker

    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": False}},
        }
    )
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await broker.start()
    await ended.wait()
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
