"""Answers for a person or a machine."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeAlias

import msgspec
import typer

Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]


def tell(text: str, result: Mapping[str, Any] | Sequence[Any], *, as_json: bool) -> None:
    """What a command has done: in words, or as JSON."""
    typer.echo(msgspec.json.encode(result).decode() if as_json else text)


def show(rows: Sequence[object], *, as_json: bool) -> None:
    """One row per line: a JSON array, or columns headed by their names."""
    plain = [msgspec.to_builtins(row) for row in rows]
    if as_json:
        typer.echo(msgspec.json.encode(plain).decode())
        return
    if not plain:
        typer.echo("nothing")
        return
    columns = list(plain[0])
    lines = [columns, *([str(row[column]) for column in columns] for row in plain)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
