"""Simulated meters on real sockets: ``python -m api.devnet.meters --spec FILE.json`` until terminated.

The file's form stands in ``api.devnet.meter_spec``. Registers are a function of market time alone (the integral of an
input series since a fixed epoch), so the process may be killed and started again at any moment.
"""

import argparse
import asyncio
import logging
import signal
from collections.abc import Sequence
from pathlib import Path

from api.devnet import meter_modbus, meter_mqtt
from api.devnet.meter_registers import SimulatedMeter
from api.devnet.meter_spec import MeterSpec, Spec, read_spec, write_spec
from api.devnet.series import load_community
from indexer.clock import SimulatedClock

logger = logging.getLogger(__name__)


async def run(spec: Spec) -> None:
    """Simulates the meters until cancelled."""
    community = load_community(spec.homes, spec.plants, spec.seed, Path(spec.data_dir) if spec.data_dir else None)
    meters = [SimulatedMeter.of(meter, spec, community.homes, community.plants) for meter in spec.meters]
    clock = SimulatedClock.parse(spec.clock)
    by_modbus = [meter for meter in meters if meter.spec.driver == "modbus"]
    by_mqtt = [meter for meter in meters if meter.spec.driver == "mqtt" and not meter.is_dead]
    async with asyncio.TaskGroup() as group:
        if by_modbus:
            group.create_task(meter_modbus.serve(by_modbus, clock))
        if by_mqtt and spec.mqtt_url:
            rhythm = (spec.interval_s, spec.slot_s, Path(spec.state_file))
            group.create_task(meter_mqtt.publish(by_mqtt, spec.mqtt_url, clock, *rhythm))
        logger.info("meters up modbus=%d mqtt=%d dead=%s", len(by_modbus), len(by_mqtt), spec.dead)


async def _until_told(spec: Spec) -> None:
    task = asyncio.create_task(run(spec))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        logger.info("meters down")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the simulation that a spec file describes."""
    parser = argparse.ArgumentParser(prog="api.devnet.meters", description=__doc__)
    parser.add_argument("--spec", type=Path, required=True)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(_until_told(read_spec(options.spec)))


if __name__ == "__main__":
    main()

__all__ = ["MeterSpec", "Spec", "main", "read_spec", "run", "write_spec"]
