"""Reading a device once, whatever its kind, before it is registered."""

from node.errors import Refused
from node.metering import http_poll, modbus
from node.metering.device_types import BadDeviceData, Device, Value
from node.metering.modbus_address import of_command_line


class CannotTry(Refused):
    """A device that speaks when it likes cannot be asked; watch its topics with an MQTT client."""

    code = "device-not-asked"


class Unreachable(BadDeviceData):
    """The device cannot be reached."""

    code = "meter-unreachable"
    retryable = True


async def values(device: Device, address: str, unit: int = 1, baud: int = 9_600, parity: str = "N") -> list[Value]:
    """Everything that a device says.

    Raises:
        BadMeterAddress: the address has the wrong form.
        CannotTry: it is an MQTT device.
        Unreachable, BadDeviceData: it does not answer, or answers nonsense.
    """
    if device.driver == "http":
        return await http_poll.read_once(device, address)
    if device.driver == "mqtt":
        raise CannotTry
    endpoint, number = of_command_line(address, unit, baud, parity)
    try:
        return await modbus.read_once(device, endpoint, number)
    except OSError as error:
        raise Unreachable(f"{endpoint}: {error or type(error).__name__}") from error
