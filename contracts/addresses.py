"""Where the contracts of one deployment stand."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contracts.errors import GridtraceError
from contracts.typed_data import BadAddress, checksum, parse_address


class DeploymentUnreadable(GridtraceError):
    """The deployment file is missing or malformed."""

    code = "deployment-unreadable"


@dataclass(frozen=True, slots=True)
class Deployment:
    """Contracts by name on one chain.

    JSON: ``{"chain_id", "start_block", "contracts": {name: "0x…"}, "parameters": {…}}``.
    """

    chain_id: int
    start_block: int
    """No event of these contracts is in an earlier block."""
    addresses: Mapping[str, bytes]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """What the contracts were created with and who was given which role, for the record; may be empty."""

    def address(self, name: str) -> bytes:
        """The address of a contract.

        Raises:
            DeploymentUnreadable: the deployment has no contract of this name.
        """
        if name not in self.addresses:
            raise DeploymentUnreadable(f"the deployment has no {name}")
        return self.addresses[name]

    @classmethod
    def load(cls, path: Path) -> "Deployment":
        """Reads a deployment file.

        Raises:
            DeploymentUnreadable: there is no such file, or it is malformed.
        """
        try:
            fields = json.loads(path.read_text())
            addresses = {str(name): parse_address(text) for name, text in fields["contracts"].items()}
            parameters = dict(fields.get("parameters", {}))
            return cls(int(fields["chain_id"]), int(fields["start_block"]), addresses, parameters)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, BadAddress) as error:
            raise DeploymentUnreadable(f"{path}: {type(error).__name__} {error}") from error

    def dump(self, path: Path) -> None:
        """Writes the file, whole or not at all."""
        fields = {
            "chain_id": self.chain_id,
            "start_block": self.start_block,
            "contracts": {name: checksum(address) for name, address in self.addresses.items()},
            **({"parameters": dict(self.parameters)} if self.parameters else {}),
        }
        write_whole(path, json.dumps(fields, indent=2) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Replaces a file so that every reader, and every restart, sees all of the old or all of the new text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
