"""``gridtrace run``: a whole community on this machine."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def run(
    slots: Annotated[int, typer.Option(min=1, help="With --exit: end after this many settled slots.")] = 4,
    slot_seconds: Annotated[float, typer.Option(min=1, max=900, help="Real seconds per 15-minute slot.")] = 20.0,
    homes: Annotated[int | None, typer.Option(min=1, max=500, help="Homes (24 where not given).")] = None,
    plants: Annotated[int | None, typer.Option(min=1, max=100, help="Plants (4 where not given).")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of measured series that the meters replay.")] = None,
    exit_: Annotated[bool, typer.Option("--exit", help="End when --slots are settled and audited.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Last line of output: the summary as JSON.")] = False,
    fresh: Annotated[bool, typer.Option(help="Forget what an earlier run left.")] = False,
    state_dir: Annotated[Path, typer.Option(help="Where everything is kept.")] = Path(".gridtrace"),
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the page (8600, else a free one).")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything that is drawn (1 where not given).")] = None,
    dead_meter: Annotated[
        list[int] | None, typer.Option(help="This meter says nothing, to see what becomes of its owner; repeatable.")
    ] = None,
    trading: Annotated[
        Literal["auction", "continuous"], typer.Option(help="Sealed until the gate, or matched as orders come.")
    ] = "auction",
) -> None:
    """Start everything and play a trading community: services, chain, meters, participants, and the page.

    A second run in the same folder goes on where the first one ended.
    """
    from api.devnet import supervisor
    from api.devnet.settings import Wishes

    wishes = Wishes(
        slots=slots,
        slot_seconds=slot_seconds,
        homes=homes,
        plants=plants,
        data=data,
        exit=exit_,
        json=json_,
        fresh=fresh,
        state_dir=state_dir,
        port=port,
        seed=seed,
        dead_meters=tuple(dead_meter or ()),
        trading=trading,
    )
    raise typer.Exit(supervisor.run(wishes))
