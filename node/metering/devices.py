"""Devices as data: which register or field of a meter holds what. One TOML file per device in ``devices/``.

A folder of one's own maps may stand beside it (GRIDTRACE_METER_MAPS); its files come first.
"""

from importlib.resources import files
from pathlib import Path
from typing import Final, Literal

import msgspec

from node.errors import NotFound
from node.metering import device_rules
from node.metering.device_rules import BadDeviceMap
from node.metering.device_types import (
    BadDeviceData,
    Device,
    FieldMap,
    PointMap,
    RegisterMap,
    Role,
    Sample,
    Topic,
    Value,
)

SUFFIX: Final = ".toml"
Kind = Literal["modbus", "mqtt", "http"]


class UnknownDevice(NotFound):
    """There is no device file of this name."""

    code = "device-unknown"


def parse(content: bytes, source: str) -> Device:
    """A device from the text of its file; ``source`` names the file in what is said of it.

    Raises:
        BadDeviceMap: it is not a device; names every key that is wrong and why.
    """
    try:
        device = msgspec.toml.decode(content, type=Device)
    except msgspec.ValidationError as error:
        reason, _, key = str(error).partition(" - at ")
        raise BadDeviceMap(source, [(key.strip("`").removeprefix("$.") or "file", reason)]) from error
    except (msgspec.MsgspecError, ValueError) as error:
        raise BadDeviceMap(source, [("file", f"not TOML: {error}")]) from error
    if faults := device_rules.faults(device):
        raise BadDeviceMap(source, faults)
    return device


def read(path: Path) -> Device:
    """The device of a file anywhere.

    Raises:
        BadDeviceMap: it cannot be read, or from ``parse``.
    """
    try:
        return parse(path.read_bytes(), str(path))
    except OSError as error:
        raise BadDeviceMap(str(path), [("file", error.strerror or str(error))]) from error


def load(name: str, folder: Path | None = None) -> Device:
    """The device of this name: of one's own folder, else a shipped one.

    Raises:
        UnknownDevice: there is none.
        BadDeviceMap: the file is not a device file.
    """
    if not name.replace("-", "").replace("_", "").isalnum():
        raise UnknownDevice(f"no device is called {name!r}")
    if folder is not None and (own := folder / f"{name}{SUFFIX}").is_file():
        return read(own)
    file = files("node.metering") / "devices" / f"{name}{SUFFIX}"
    if not file.is_file():
        raise UnknownDevice(f"no device is called {name!r}")
    return parse(file.read_bytes(), f"{name}{SUFFIX}")


def names() -> list[str]:
    """Every shipped device."""
    folder = files("node.metering") / "devices"
    return sorted(file.name.removesuffix(SUFFIX) for file in folder.iterdir() if file.name.endswith(SUFFIX))


__all__ = [
    "BadDeviceData", "BadDeviceMap", "Device", "FieldMap", "Kind", "PointMap", "RegisterMap", "Role", "Sample",
    "Topic", "UnknownDevice", "Value", "load", "names", "parse", "read",
]  # fmt: skip
