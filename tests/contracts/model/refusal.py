"""How the models say no: by the name and the values of the contract's error."""

from typing import Any

from contracts.reverts import Revert


class Refused(Exception):
    """The model refuses, with the error the contract must give."""

    def __init__(self, name: str, *values: Any) -> None:
        self.name = name
        self.values = tuple("0x" + value.hex() if isinstance(value, bytes) else value for value in values)
        super().__init__(f"{name}{self.values}")

    def matches(self, revert: Revert) -> bool:
        given = tuple("0x" + value.hex() if isinstance(value, bytes) else value for value in revert.args.values())
        return (revert.name, given) == (self.name, self.values)
