"""Who takes part in a devnet: homes that consume, plants that produce, each with one meter."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from api.devnet.keys import KeyRing
from api.devnet.meter_spec import MeterSpec, Spec
from api.devnet.series import load_community
from api.devnet.settings import SLOT_S, Memory
from contracts.typed_data import address_of

ZONE: Final = 1
HOME_FUSE_W: Final = 17_250
"""Three phases of 25 A at 230 V."""
UNITS_PER_PORT: Final = 200
INITIAL_WH: Final = (100_000, 9_000_000)


@dataclass(frozen=True, slots=True)
class Member:
    """One participant and the meter that measures him."""

    name: str
    kind: str
    series: int
    meter_id: int
    driver: str
    port: int
    unit: int

    @property
    def role(self) -> str:
        return "consumer" if self.kind == "home" else "producer"

    @property
    def meter_key(self) -> str:
        """Name of the key that signs the meter's readings."""
        return "gateway" if self.driver == "modbus" else f"meter-{self.meter_id}"

    @property
    def address(self) -> str:
        """Where the node reads the meter."""
        if self.driver == "modbus":
            return f"modbus-tcp://127.0.0.1:{self.port}/{self.unit}"
        return f"gridtrace/meters/{self.meter_id}/reading"

    @property
    def device(self) -> str:
        return "gridtrace-sim-meter" if self.driver == "modbus" else "gridtrace-signed"


def members(memory: Memory) -> list[Member]:
    """Homes and plants in order; every other meter of each kind is polled over Modbus, the others speak MQTT."""
    kinds = [("home", i) for i in range(memory.homes)] + [("plant", i) for i in range(memory.plants)]
    return [
        Member(
            name=f"{kind}-{series + 1:02}",
            kind=kind,
            series=series,
            meter_id=number + 1,
            driver="modbus" if series % 2 == 0 else "mqtt",
            port=memory.modbus_port + number // UNITS_PER_PORT,
            unit=number % UNITS_PER_PORT + 1,
        )
        for number, (kind, series) in enumerate(kinds)
    ]


def fuses_w(memory: Memory, people: Sequence[Member]) -> dict[int, int]:
    """The fuse limit of each meter in W: a quarter above the most its series ever moves, a home's standard at least."""
    data = Path(memory.data) if memory.data else None
    community = load_community(memory.homes, memory.plants, memory.seed, data)
    limits = {}
    for member in people:
        series = (community.homes if member.kind == "home" else community.plants)[member.series]
        step_uwh = (series.prefix_uwh[1:] - series.prefix_uwh[:-1]).max()
        peak_w = int(step_uwh) * 3_600 // series.step_s // 1_000_000
        limits[member.meter_id] = max(HOME_FUSE_W, peak_w * 5 // 4)
    return limits


def meter_spec(
    memory: Memory,
    people: Sequence[Member],
    keys: KeyRing,
    *,
    clock: str,
    epoch_s: int,
    mqtt_url: str,
    interval_s: int,
    state_file: Path,
    dead: Sequence[int] = (),
) -> Spec:
    """What the simulation of all meters is told."""
    draw = random.Random(memory.seed)  # noqa: S311 -- initial registers are no secret
    meters = [
        MeterSpec(
            meter_id=member.meter_id,
            kind="home" if member.kind == "home" else "plant",
            driver="modbus" if member.driver == "modbus" else "mqtt",
            series=member.series,
            port=member.port,
            unit=member.unit,
            key=keys.file(member.meter_key).read_text().strip() if member.driver == "mqtt" else None,
            initial_import_wh=draw.randint(*INITIAL_WH) if member.kind == "home" else 0,
            initial_export_wh=draw.randint(*INITIAL_WH) if member.kind == "plant" else 0,
        )
        for member in people
    ]
    return Spec(
        clock=clock,
        slot_s=SLOT_S,
        interval_s=interval_s,
        epoch_s=epoch_s,
        seed=memory.seed,
        homes=memory.homes,
        plants=memory.plants,
        meters=meters,
        state_file=str(state_file),
        mqtt_url=mqtt_url,
        data_dir=memory.data,
        dead=list(dead),
    )


def signer_of(member: Member, keys: KeyRing) -> bytes:
    """Address that signs the member's readings."""
    return address_of(keys.key(member.meter_key))
