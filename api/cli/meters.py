"""``gridtrace meter``: your meters, what they measured, and whether a device can be read."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from api.cli import meter_keys
from api.cli.orders import DEFAULT_URL, ApiUrl, AsJson, KeyFile, signed_in
from api.cli.output import tell

if TYPE_CHECKING:
    from contracts.typed_data import Reading

REFUSED: Final = 1
BATCH: Final = 5_000
NOBODYS_KEY: Final = bytes(31) + b"\x01"

app = typer.Typer(
    help="List your meters and their faults, read their energy, try a device, check a map, import readings.",
    no_args_is_help=True,
)
app.add_typer(meter_keys.app, name="key")

Moment = Annotated[datetime, typer.Option(formats=["%Y-%m-%dT%H:%M:%SZ"])]
MeterId = Annotated[int, typer.Argument(min=1)]
MapName = Annotated[str, typer.Option("--map", help="A shipped device, or the path of your own map.")]


@app.command("list")
def list_(key_file: KeyFile, url: ApiUrl = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List your meters."""
    from api.cli.output import show

    show(signed_in(key_file, url, lambda client: client.meters()), as_json=as_json)


@app.command("energy")
def energy(
    meter_id: MeterId,
    start: Moment,
    end: Moment,
    key_file: KeyFile,
    url: ApiUrl = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Energy of each delivery slot that starts in [start, end)."""
    from api.cli.output import show

    span = (start.replace(tzinfo=UTC), end.replace(tzinfo=UTC))
    show(signed_in(key_file, url, lambda client: client.meter_energy(meter_id, *span)), as_json=as_json)


@app.command("faults")
def faults(meter_id: MeterId, key_file: KeyFile, url: ApiUrl = DEFAULT_URL, as_json: AsJson = False) -> None:
    """What is or was wrong with a meter."""
    from api.cli.output import show

    show(signed_in(key_file, url, lambda client: client.meter_faults(meter_id)), as_json=as_json)


@app.command("replaced")
def replaced(
    meter_id: MeterId,
    serial: Annotated[str, typer.Argument(help="Serial number of the device that hangs there now.")],
    key_file: KeyFile,
    url: ApiUrl = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Confirm that another device took a meter's place. Operators only."""
    signed_in(key_file, url, lambda client: client.confirm_replacement(meter_id, serial))
    tell(f"meter {meter_id} goes on with {serial}", {"meter_id": meter_id, "serial": serial}, as_json=as_json)


@app.command("maps")
def maps(as_json: AsJson = False) -> None:
    """List the devices that are known."""
    from api.cli.output import show
    from node.metering import devices

    found = [devices.load(name) for name in devices.names()]
    show([{"map": one.name, "driver": one.driver, "source": one.source} for one in found], as_json=as_json)


@app.command("check")
def check(
    path: Annotated[list[Path], typer.Argument(help="Your device maps (TOML).")], as_json: AsJson = False
) -> None:
    """Check device maps. Names the file, the key and the reason of everything that is wrong."""
    from api.cli.main import complain
    from node.metering import devices

    bad, good = 0, []
    for one in path:
        try:
            device = devices.read(one)
        except devices.BadDeviceMap as error:
            bad += 1
            for key, reason in error.found:
                complain(f"{error.source}: {key}: {reason}", error.code)
        else:
            good.append({"file": str(one), "name": device.name, "driver": device.driver})
            if not as_json:
                typer.echo(f"{one}: {device.name}, a {device.driver} device")
    if as_json:
        tell("", good, as_json=True)
    if bad:
        raise typer.Exit(REFUSED)


@app.command("read")
def read(
    map_: MapName,
    address: Annotated[str, typer.Option(help="host:port, /dev/ttyUSB0, http://host, or a whole address.")],
    unit: Annotated[int, typer.Option(min=1, max=247, help="Modbus unit.")] = 1,
    baud: Annotated[int, typer.Option(min=300, help="Of a serial port.")] = 9_600,
    parity: Annotated[str, typer.Option(help="Of a serial port: N, E or O.")] = "N",
    as_json: AsJson = False,
) -> None:
    """Read a device once and show everything it says. Exit code 1: it does not answer, or answers nonsense."""
    import asyncio

    from api.cli.output import show
    from node.metering import devices, try_device

    device = devices.read(Path(map_)) if map_.endswith(devices.SUFFIX) else devices.load(map_)
    show(asyncio.run(try_device.values(device, address, unit, baud, parity)), as_json=as_json)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="Signed readings or registers (CSV), or a Green Button file (XML).")],
    url: ApiUrl = DEFAULT_URL,
    meter_id: Annotated[int | None, typer.Option(min=1, help="Where the file does not say.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="Signs what is not signed (0x-prefixed hex).")] = None,
    timezone: Annotated[str | None, typer.Option(help="Of local times, e.g. Europe/Berlin.")] = None,
    import_register: Annotated[int, typer.Option(min=0, help="Wh, at the start of a Green Button file.")] = 0,
    export_register: Annotated[int, typer.Option(min=0, help="Wh, at the start of a Green Button file.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Send readings from a file. Exit code 1: some were refused.

    Readings that their meter has signed need nothing more: their signatures are all the authority they need. All
    others are signed with --key-file, which must be the key that the meter is registered with. Sending a file again
    changes nothing.
    """
    import asyncio

    from api.cli import import_files

    registers = (import_register, export_register)
    tally = asyncio.run(send(import_files.load(file, meter_id, key_file, timezone, registers), url))
    counts = [{"count": count, "state": state, "code": code} for (state, code), count in sorted(tally.items())]
    lines = [f"{one['count']} {one['state']} {one['code'] or ''}".rstrip() for one in counts]
    tell("\n".join(lines) or "nothing", counts, as_json=as_json)
    if any(state == "REFUSED" for state, _ in tally):
        raise typer.Exit(REFUSED)


async def send(readings: "list[tuple[Reading, bytes]]", url: str) -> Counter[tuple[str, str]]:
    """How many readings became what: by state and, where refused, reason."""
    from api.client import Client

    tally: Counter[tuple[str, str]] = Counter()
    # Readings carry their own signatures; the key is nobody's.
    async with Client(url, NOBODYS_KEY) as client:
        for first in range(0, len(readings), BATCH):
            for result in await client.send_readings(readings[first : first + BATCH]):
                tally[result.state, result.code or ""] += 1
    return tally
