"""The settings that a command reads, shown by its ``--help``: gathered from the very code that reads them."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from typer._click import Context, HelpFormatter

T = TypeVar("T")

LOG_LEVEL = ("GRIDTRACE_LOG_LEVEL", "DEBUG, INFO, WARNING or ERROR. [default: INFO]")


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable. ``default`` is None where it has none."""

    name: str
    default: object
    is_optional: bool


def gathered(read: "Callable[[Any], object]") -> list[Setting]:
    """Every setting that ``read`` asks its environment for, in order."""
    from indexer.config import Environment

    found: dict[str, Setting] = {}

    class Listing(Environment):
        def read(self, name: str, parse: Callable[[str], T], default: T | None = None) -> T:
            found.setdefault(name, Setting(name, default, is_optional=default is not None))
            return default  # type: ignore[return-value]

        def optional(self, name: str, parse: Callable[[str], T]) -> T | None:
            found.setdefault(name, Setting(name, None, is_optional=True))
            return None

        def secret(self, name: str, default: str | None = None) -> str:
            found.setdefault(name, Setting(f"{name} or {name}_FILE", default, is_optional=default is not None))
            return default or ""

    read(Listing({}))
    return list(found.values())


def meanings(*classes: type) -> dict[str, str]:
    """The text below each field of the configuration's classes, by field name."""
    found: dict[str, str] = {}
    for described in classes:
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(described))).body
        statements = body.body if isinstance(body, ast.ClassDef) else []
        for field, text in pairwise(statements):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and _is_text(text):
                found[field.target.id] = " ".join(ast.literal_eval(text.value).replace("``", "").split())  # type: ignore[attr-defined]
    return found


def rows(settings: Sequence[Setting], texts: dict[str, str]) -> list[tuple[str, str]]:
    """Name and description of each setting, as help shows them."""
    return [(setting.name, _described(setting, texts)) for setting in settings]


def command(listed: Callable[[], list[tuple[str, str]]]) -> type[TyperCommand]:
    """A command whose help ends with settings; they are gathered when the help is asked for, not before."""

    class WithSettings(TyperCommand):
        def format_epilog(self, ctx: "Context", formatter: "HelpFormatter") -> None:
            with formatter.section("Settings (environment)"):
                formatter.write_dl(listed())

    return WithSettings


def group(listed: Callable[[], list[tuple[str, str]]]) -> type[TyperGroup]:
    """A command with commands of its own, whose help ends with settings."""

    class WithSettings(TyperGroup):
        def format_epilog(self, ctx: "Context", formatter: "HelpFormatter") -> None:
            with formatter.section("Settings (environment)"):
                formatter.write_dl(listed())

    return WithSettings


def of_index() -> list[tuple[str, str]]:
    """Settings of ``gridtrace index``."""
    from indexer.config import IndexerConfig

    return [*rows(gathered(IndexerConfig.read), meanings(IndexerConfig)), LOG_LEVEL]


def of_node() -> list[tuple[str, str]]:
    """Settings of ``gridtrace node``."""
    from indexer.config import IndexerConfig
    from node.config import MarketRules, NodeConfig, SignerConfig

    texts = meanings(IndexerConfig, MarketRules, NodeConfig, SignerConfig)
    return [*rows(gathered(NodeConfig.read), texts), LOG_LEVEL]


def of_serve() -> list[tuple[str, str]]:
    """Settings of ``gridtrace serve``."""
    from api.config import ApiConfig
    from indexer.config import IndexerConfig
    from node.config import MarketRules, NodeConfig, SignerConfig

    texts = meanings(IndexerConfig, MarketRules, NodeConfig, SignerConfig, ApiConfig)
    return [*rows(gathered(ApiConfig.read), texts), LOG_LEVEL]


def of_audit() -> list[tuple[str, str]]:
    """Settings of ``gridtrace audit``: the node's, or those of a run."""
    return [entry for entry in of_node() if entry != LOG_LEVEL]


def of_balances() -> list[tuple[str, str]]:
    """Settings of ``gridtrace audit balances``."""
    from api.cli.balance_report import settings
    from indexer.config import IndexerConfig

    return rows(gathered(settings), meanings(IndexerConfig))


def of_export() -> list[tuple[str, str]]:
    """Settings of ``gridtrace export``."""
    from api.cli.export import settings
    from indexer.config import IndexerConfig

    return rows(gathered(settings), meanings(IndexerConfig))


def of_deploy() -> list[tuple[str, str]]:
    """Settings of ``gridtrace deploy`` that are no options."""
    from api.cli.deploy import chain_settings
    from indexer.config import IndexerConfig

    return rows(gathered(chain_settings), meanings(IndexerConfig))


def of_database() -> list[tuple[str, str]]:
    """Settings of ``gridtrace migrate``."""
    from indexer.config import IndexerConfig

    return rows(gathered(lambda env: env.secret("DATABASE_URL")), meanings(IndexerConfig))


def of_run() -> list[tuple[str, str]]:
    """Settings of ``gridtrace run``: services that it takes instead of its own."""
    return [
        ("DATABASE_URL or DATABASE_URL_FILE", "PostgreSQL 15 or newer, an empty database. [ours where not set]"),
        ("REDIS_URL", "Redis, as redis://host:port/number. [ours where not set]"),
        ("MQTT_URL", "MQTT broker, as mqtt[s]://user:password@host:port. [ours where not set]"),
        ("RPC_URL", "Chain. An anvil is steered; any other runs at --slot-seconds 900. [ours where not set]"),
        ("GRIDTRACE_CHAIN_ID", "Refuse RPC_URL where it serves another chain. [taken from the chain]"),
        LOG_LEVEL,
    ]


def _described(setting: Setting, texts: dict[str, str]) -> str:
    field = setting.name.partition(" ")[0].removeprefix("GRIDTRACE_").lower()
    text = next((texts[name] for name in (field, field + "s", field.removeprefix("indexer_")) if name in texts), "")
    if setting.default is not None:
        note = f"[default: {_shown(setting.default)}]"
    else:
        note = "[not set]" if setting.is_optional else "[required]"
    return f"{text} {note}".strip()


def _shown(value: object) -> str:
    if isinstance(value, tuple | frozenset):
        return ",".join(map(str, value)) or "none"
    return str(int(value) if isinstance(value, bool) else value)


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
