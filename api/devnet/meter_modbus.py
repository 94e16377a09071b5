"""Simulated Modbus TCP meters: one server per port, its meters told apart by unit.

Input registers, high word first: 0 time (u64, Unix seconds), 4 import (u64, Wh), 8 export (u64, Wh), 12 power (s32, W,
import positive), 14 counter (u32). The values are those of the moment of the request. A dead meter does not answer.
"""

import asyncio
import logging
import struct
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from api.devnet.meter_registers import SimulatedMeter
from contracts.typed_data import Reading
from indexer.clock import SimulatedClock

REGISTERS: Final = 16
SILENCE_S: Final = 3_600


def words_of(reading: Reading) -> list[int]:
    """A reading as the 16 registers of a gridtrace-sim-meter."""
    registers = (reading.time, reading.import_wh, reading.export_wh, reading.power_w, reading.counter)
    return list(struct.unpack(">16H", struct.pack(">QQQiI", *registers)))


def _device(meter: SimulatedMeter, clock: SimulatedClock) -> SimDevice:
    async def show_now(
        function: int, start: int, address: int, count: int, registers: list[int], written: object
    ) -> ExcCodes | None:
        if meter.is_dead:
            await asyncio.sleep(SILENCE_S)  # as a broken meter: the line stays up, nothing comes
        if written is not None:
            return ExcCodes.ILLEGAL_FUNCTION
        registers[:] = words_of(meter.reading(int(clock.now_s())))
        return None

    if meter.spec.unit is None:
        raise ValueError(f"meter {meter.spec.meter_id} has no unit")
    data = SimData(0, count=REGISTERS, values=0, datatype=DataType.REGISTERS)
    return SimDevice(meter.spec.unit, [data], action=show_now)


async def serve(meters: Sequence[SimulatedMeter], clock: SimulatedClock, host: str = "127.0.0.1") -> None:
    """Serves until cancelled.

    Raises:
        OSError: a port is taken.
    """
    # Unknown units are asked for when a registration is wrong; pymodbus would tell each time with a stack trace.
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    by_port = sorted(meters, key=lambda meter: meter.spec.port or 0)
    async with asyncio.TaskGroup() as group:
        for port, behind in groupby(by_port, key=lambda meter: meter.spec.port or 0):
            devices = [_device(meter, clock) for meter in behind]
            server = ModbusTcpServer(devices, address=(host, port), ignore_missing_devices=True)
            group.create_task(_forever(server, host, port))


async def _forever(server: ModbusTcpServer, host: str, port: int) -> None:
    try:
        if not await server.listen():
            raise OSError(f"cannot listen on {host}:{port}")
        await asyncio.Event().wait()
    finally:
        server.close()
