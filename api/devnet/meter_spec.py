"""The file that says which meters are simulated: written by the devnet, read by ``api.devnet.meters``.

JSON::

    {
      "clock": "real:market:rate",          market time, as GRIDTRACE_CLOCK
      "slot_s": 900,                        length of a delivery slot, market seconds
      "interval_s": 60,                     MQTT meters publish at every multiple of this, and at every slot boundary
      "epoch_s": 1718000000,                registers stood at their initial values at this market time
      "seed": 7, "homes": 24, "plants": 4,  arguments of api.devnet.series.load_community …
      "data_dir": null,                     … and its folder
      "mqtt_url": "mqtt://127.0.0.1:1883",  null where no meter needs it
      "state_file": "/…/meters-state.json", how far each MQTT meter has published
      "dead": [5],                          meters that say nothing
      "meters": [
        {"meter_id": 1, "kind": "home", "driver": "modbus", "series": 0, "port": 5020, "unit": 1,
         "initial_import_wh": 1234567, "initial_export_wh": 0},
        {"meter_id": 2, "kind": "plant", "driver": "mqtt", "series": 0, "key": "0x…",
         "initial_import_wh": 0, "initial_export_wh": 987654}
      ]
    }

``series`` counts within the kind: homes import, plants export. ``key`` signs the readings of an MQTT meter.
"""

from pathlib import Path
from typing import Literal

import msgspec

from indexer.errors import GridtraceError


class MeterSpecError(GridtraceError):
    """The file of simulated meters is not usable."""

    code = "meter-spec-invalid"


class MeterSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One simulated meter."""

    meter_id: int
    kind: Literal["home", "plant"]
    driver: Literal["modbus", "mqtt"]
    series: int
    port: int | None = None
    unit: int | None = None
    key: str | None = None
    initial_import_wh: int = 0
    initial_export_wh: int = 0


class Spec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All meters that one process simulates."""

    clock: str
    slot_s: int
    interval_s: int
    epoch_s: int
    seed: int
    homes: int
    plants: int
    meters: list[MeterSpec]
    state_file: str
    mqtt_url: str | None = None
    data_dir: str | None = None
    dead: list[int] = []

    def check(self) -> None:
        """Raises MeterSpecError naming every fault."""
        faults = [] if self.interval_s > 0 and self.slot_s > 0 else ["interval_s and slot_s must be above 0"]
        counts = {"home": self.homes, "plant": self.plants}
        for meter in self.meters:
            if not 0 <= meter.series < counts[meter.kind]:
                faults.append(f"meter {meter.meter_id}: there is no {meter.kind} series {meter.series}")
            if meter.driver == "modbus" and (meter.port is None or meter.unit is None):
                faults.append(f"meter {meter.meter_id}: a Modbus meter needs port and unit")
            if meter.driver == "mqtt" and (meter.key is None or self.mqtt_url is None):
                faults.append(f"meter {meter.meter_id}: an MQTT meter needs key, and the file mqtt_url")
        if faults:
            raise MeterSpecError("; ".join(faults))


def write_spec(path: Path, spec: Spec) -> None:
    """Writes the file; it holds keys, so only its owner may read it.

    Raises:
        MeterSpecError: the spec contradicts itself.
    """
    spec.check()
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(spec)))


def read_spec(path: Path) -> Spec:
    """Reads and checks the file.

    Raises:
        MeterSpecError: it is not such a file.
        OSError: it cannot be read.
    """
    try:
        spec = msgspec.json.decode(path.read_bytes(), type=Spec)
    except msgspec.MsgspecError as error:
        raise MeterSpecError(f"{path}: {error}") from error
    spec.check()
    return spec
