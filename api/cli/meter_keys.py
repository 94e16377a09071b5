"""``gridtrace meter key``: which key signs for your meter."""

from typing import Annotated

import typer

from api.cli.orders import DEFAULT_URL, ApiUrl, AsJson, KeyFile, signed_in

app = typer.Typer(help="List, replace and revoke the keys that sign your meter's readings.", no_args_is_help=True)

MeterId = Annotated[int, typer.Argument(min=1)]
Address = Annotated[str, typer.Argument(help="The key's address, 0x-prefixed.")]


@app.command("list")
def list_(meter_id: MeterId, key_file: KeyFile, url: ApiUrl = DEFAULT_URL, as_json: AsJson = False) -> None:
    """The key that signs, and those that did."""
    from api.cli.output import show

    show(signed_in(key_file, url, lambda client: client.meter_keys(meter_id)), as_json=as_json)


@app.command("rotate")
def rotate(
    meter_id: MeterId, key: Address, key_file: KeyFile, url: ApiUrl = DEFAULT_URL, as_json: AsJson = False
) -> None:
    """Let another key sign from now on, and the former one never again."""
    from api.cli.output import show

    show([signed_in(key_file, url, lambda client: client.rotate_meter_key(meter_id, key))], as_json=as_json)


@app.command("revoke")
def revoke(
    meter_id: MeterId, key: Address, key_file: KeyFile, url: ApiUrl = DEFAULT_URL, as_json: AsJson = False
) -> None:
    """Let nobody sign for the meter from now on, until it has another key."""
    from api.cli.output import tell

    signed_in(key_file, url, lambda client: client.revoke_meter_key(meter_id, key))
    tell(f"nobody signs for meter {meter_id}", {"meter_id": meter_id, "revoked": key}, as_json=as_json)
