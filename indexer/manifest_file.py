"""Manifests written in TOML: which chains, which contracts, which events. Every fault is named with its line.

[[chains]]
id = 1
rpc_urls = ["https://rpc.example"]

[[chains.contracts]]
name = "USDC"
address = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"
abi = "erc20"
events = ["Transfer"]
start_block = 6082465
"""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from contracts.typed_data import BadAddress, parse_address
from indexer import standards
from indexer.errors import ConfigError
from indexer.manifest import Contract, Factory, Manifest, Options, Read
from indexer.manifest_rules import faults_of
from indexer.read_rules import faults_of as read_faults
from indexer.scope import Scope
from indexer.toml_lines import TomlLines

NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
MANIFEST_KEYS: Final = ("handlers", "chains")
OPTION_KEYS: Final = ("transactions", "receipts", "native_transfers", "traces")
CHAIN_KEYS: Final = ("id", "rpc_urls", "start_block", *OPTION_KEYS, "block_interval", "contracts", "reads")
CONTRACT_KEYS: Final = (
    "name", "address", "addresses", "factory", "abi", "events", "start_block", "projections", "executions",
)  # fmt: skip
FACTORY_KEYS: Final = ("contract", "event", "argument")
READ_KEYS: Final = ("contract", "function", "args", "every", "on", "name")


@dataclass(frozen=True, slots=True)
class ChainManifest:
    """One chain of a manifest file."""

    manifest: Manifest
    rpc_urls: tuple[str, ...]
    """Empty where the environment tells."""


def load(path: Path) -> tuple[ChainManifest, ...]:
    """Reads and checks a manifest file; ABI files are looked for beside it.

    Raises:
        ConfigError: names every fault with its line.
    """
    try:
        text = path.read_text()
        fields = tomllib.loads(text)
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from error
    except ValueError as error:
        raise ConfigError([f"{path}: {error}"]) from error
    reading = _Reading(path, TomlLines(text))
    chains = reading.manifest(fields)
    if reading.faults:
        raise ConfigError(reading.faults)
    return chains


def read_abi(name: str, folder: Path) -> Sequence[Mapping[str, Any]]:
    """The ABI of a built-in name, or of a JSON file: the bare list, or a compiler's artifact with one.

    Raises:
        ValueError, OSError: there is no such file, or no ABI in it.
    """
    if name in standards.ABIS:
        return standards.ABIS[name]
    found = json.loads((folder / name).read_text())
    entries = found.get("abi") if isinstance(found, dict) else found
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError("is no ABI: neither a list of entries nor an artifact with one under 'abi'")
    return entries


class _Reading:
    """One pass over a manifest that collects every fault."""

    def __init__(self, path: Path, lines: TomlLines) -> None:
        self.faults: list[str] = []
        self._path = path
        self._lines = lines

    def fault(self, place: str, text: str) -> None:
        line = self._lines.of(place)
        self.faults.append(f"{self._path}:{line}: {place}: {text}" if line else f"{self._path}: {place}: {text}")

    def manifest(self, fields: Mapping[str, Any]) -> tuple[ChainManifest, ...]:
        self._known(fields, MANIFEST_KEYS, "")
        handlers = self._value(fields, "handlers", str, "", None)
        if handlers is not None and not re.fullmatch(r"[\w.]+:\w+", handlers):
            self.fault("handlers", "must be like package.module:name")
        chains = self._tables(fields, "chains", "")
        if not chains and not self.faults:
            self.fault("chains", "there is none")
        found = [self._chain(chain, f"chains[{at}]", handlers) for at, chain in enumerate(chains)]
        for at, one in enumerate(found):
            if one.manifest.chain_id in [other.manifest.chain_id for other in found[:at]]:
                self.fault(f"chains[{at}].id", f"chain {one.manifest.chain_id} stands twice")
        self._rules(found)
        return tuple(found)

    def _rules(self, chains: Sequence[ChainManifest]) -> None:
        """What only shows once the contracts are read; not looked for where they could not be."""
        if self.faults:
            return
        for at, one in enumerate(chains):
            names = [contract.name for contract in one.manifest.contracts]
            order = list(dict.fromkeys(names))
            for name, text in faults_of(one.manifest, [other.manifest for other in chains[:at]]):
                self.fault(f"chains[{at}].contracts[{order.index(name)}]", f"{name}: {text}")
            for number, text in read_faults(one.manifest):
                self.fault(f"chains[{at}].reads[{number}]", text)

    def _chain(self, fields: Mapping[str, Any], place: str, handlers: str | None) -> ChainManifest:
        self._known(fields, CHAIN_KEYS, place)
        chain_id = self._number(fields, "id", place, 1)
        start = self._number(fields, "start_block", place, 0, default=-1)
        urls = self._texts(fields, "rpc_urls", place) or ()
        for at, url in enumerate(urls):
            if not re.match(r"(https?|wss?)://.", url):
                self.fault(f"{place}.rpc_urls", f"{url!r} (number {at + 1}) is no http, https, ws or wss address")
        interval = self._number(fields, "block_interval", place, 1, default=0)
        scopes = {key: self._scope(fields, key, place) for key in OPTION_KEYS}
        tables = self._tables(fields, "contracts", place)
        contracts: list[Contract] = []
        for at, table in enumerate(tables):
            contracts += self._contract(table, f"{place}.contracts[{at}]", [c.name for c in contracts])
        if not tables:
            self.fault(f"{place}.contracts", "there is none")
        starts = [start if c.start_block is None else c.start_block for c in contracts]
        first = max(0, min(starts, default=0))
        options = Options(**scopes, block_interval=interval or None)
        settled = tuple(_started(c, max(0, start)) for c in contracts)
        reads = tuple(
            self._read(table, f"{place}.reads[{at}]") for at, table in enumerate(self._tables(fields, "reads", place))
        )
        return ChainManifest(Manifest(chain_id, first, settled, options, handlers, reads), urls)

    def _read(self, fields: Mapping[str, Any], place: str) -> Read:
        self._known(fields, READ_KEYS, place)
        every = self._number(fields, "every", place, 1, default=0) or None
        on = self._value(fields, "on", str, place, None)
        if ("every" in fields) == ("on" in fields):
            self.fault(place, "needs one of every and on")
        name = self._value(fields, "name", str, place, None)
        if name is not None and not NAME.fullmatch(name):
            self.fault(f"{place}.name", f"{name!r} must be letters, digits and _, and start with a letter")
        return Read(
            self._value(fields, "contract", str, place) or "",
            self._value(fields, "function", str, place) or "",
            tuple(self._value(fields, "args", list, place, [])),
            every,
            on,
            name,
        )

    def _scope(self, fields: Mapping[str, Any], key: str, place: str) -> Scope | None:
        """``true``: what concerns the contracts; ``"all"``; or what concerns some addresses."""
        value = fields.get(key, False)
        if isinstance(value, bool):
            return Scope(contracts=True) if value else None
        if value == "all":
            return Scope(everything=True)
        if not isinstance(value, list) or not value:
            self.fault(_joined(place, key), f'must be true, false, "all" or a list of addresses, is {value!r}')
            return None
        found = []
        for text in value:
            try:
                found.append(parse_address(text) if isinstance(text, str) else b"")
            except BadAddress as error:
                self.fault(_joined(place, key), str(error))
        if b"" in found:
            self.fault(_joined(place, key), "must be a list of addresses")
        return Scope(addresses=frozenset(found))

    def _contract(self, fields: Mapping[str, Any], place: str, taken: Sequence[str]) -> list[Contract]:
        self._known(fields, CONTRACT_KEYS, place)
        name = self._value(fields, "name", str, place) or ""
        if name and not NAME.fullmatch(name):
            self.fault(f"{place}.name", f"{name!r} must be letters, digits and _, and start with a letter")
        if name in taken:
            self.fault(f"{place}.name", f"{name} stands twice; give one contract several addresses instead")
        abi = self._abi(fields, place)
        factory = self._factory(fields, place)
        addresses = self._addresses(fields, place, factory)
        projections = self._texts(fields, "projections", place)
        for projection in projections or ():
            if projection not in standards.ABIS:
                self.fault(f"{place}.projections", f"{projection!r} is none of {', '.join(standards.ABIS)}")
        start = self._number(fields, "start_block", place, 0, default=-1)
        chosen = self._texts(fields, "events", place)
        executions = bool(self._value(fields, "executions", bool, place, False))
        try:
            return [
                Contract(name, address, abi, None if start < 0 else start, chosen, factory, projections, executions)
                for address in addresses
            ]
        except (KeyError, TypeError, AttributeError) as error:
            self.fault(f"{place}.abi", f"an event of it is malformed: {type(error).__name__} {error}")
            return []

    def _abi(self, fields: Mapping[str, Any], place: str) -> Sequence[Mapping[str, Any]]:
        name = self._value(fields, "abi", str, place)
        if not name:
            return ()
        try:
            return read_abi(name, self._path.parent)
        except OSError as error:
            known = ", ".join(standards.ABIS)
            self.fault(f"{place}.abi", f"{name!r}: {error.strerror}; built in are {known}")
        except ValueError as error:
            self.fault(f"{place}.abi", f"{name!r}: {error}")
        return ()

    def _factory(self, fields: Mapping[str, Any], place: str) -> Factory | None:
        table = self._value(fields, "factory", dict, place, None)
        if table is None:
            return None
        place = f"{place}.factory"
        self._known(table, FACTORY_KEYS, place)
        return Factory(*(self._value(table, key, str, place) or "" for key in FACTORY_KEYS))

    def _addresses(self, fields: Mapping[str, Any], place: str, factory: Factory | None) -> list[bytes]:
        given = [key for key in ("address", "addresses", "factory") if key in fields]
        if len(given) != 1:
            told = " and ".join(given) or "nothing"
            self.fault(place, f"needs one of address, addresses and factory, and has {told}")
            return []
        if factory is not None:
            return [b""]
        one = self._value(fields, "address", str, place) if "address" in fields else None
        texts = [one] if one else list(self._texts(fields, "addresses", place) or ())
        found = []
        for text in texts:
            try:
                found.append(parse_address(text))
            except BadAddress as error:
                self.fault(f"{place}.{given[0]}", str(error))
        if len(set(found)) < len(found):
            self.fault(f"{place}.{given[0]}", "an address stands twice")
        return found

    def _known(self, fields: Mapping[str, Any], keys: Sequence[str], place: str) -> None:
        for key in fields:
            if key not in keys:
                self.fault(_joined(place, key), f"unknown key; known are {', '.join(keys)}")

    def _value(self, fields: Mapping[str, Any], key: str, kind: type, place: str, *default: Any) -> Any:
        """The value of a key; a fault where it is of another type, or missing without a default."""
        if key not in fields:
            if not default:
                self.fault(_joined(place, key) if self._lines.of(_joined(place, key)) else place, f"{key} is missing")
            return default[0] if default else None
        value = fields[key]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.fault(_joined(place, key), f"must be {_named(kind)}, is {value!r}")
            return default[0] if default else None
        return value

    def _number(
        self, fields: Mapping[str, Any], key: str, place: str, least: int, *, default: int | None = None
    ) -> int:
        value = self._value(fields, key, int, place, *(() if default is None else (default,)))
        if key in fields and isinstance(value, int) and not least <= value < 1 << 63:
            self.fault(_joined(place, key), f"must be a whole number from {least}, is {value}")
        return value if isinstance(value, int) else least

    def _texts(self, fields: Mapping[str, Any], key: str, place: str) -> tuple[str, ...] | None:
        values = self._value(fields, key, list, place, None)
        if values is None:
            return None
        if not all(isinstance(value, str) and value for value in values):
            self.fault(_joined(place, key), "must be a list of texts")
            return ()
        return tuple(values)

    def _tables(self, fields: Mapping[str, Any], key: str, place: str) -> list[Mapping[str, Any]]:
        values = self._value(fields, key, list, place, [])
        if not all(isinstance(value, dict) for value in values):
            self.fault(_joined(place, key), f"must be tables: [[{re.sub(r'[[][0-9]+]', '', _joined(place, key))}]]")
            return []
        return list(values)


def _started(contract: Contract, start: int) -> Contract:
    if contract.start_block is not None:
        return contract
    return Contract(
        contract.name,
        contract.address,
        contract.abi,
        start,
        contract.chosen,
        contract.factory,
        contract.projections,
        contract.executions,
    )


def _joined(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _named(kind: type) -> str:
    return {str: "a text", int: "a whole number", bool: "true or false", list: "a list", dict: "a table"}[kind]
