"""Calls of which the mirror knows what they should return. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """One call, and the words that it returns if the mirror is right."""

    contract: bytes
    account: bytes | None
    """None for the token's total supply."""
    calldata: bytes
    expected: tuple[tuple[str, int], ...]
    """Names and mirrored values of the first returned words."""
    updated_block: int

    @property
    def call(self) -> dict[str, str]:
        return {"to": "0x" + self.contract.hex(), "data": "0x" + self.calldata.hex()}
