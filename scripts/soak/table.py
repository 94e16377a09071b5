"""What a soak found: one line for each fault."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class Row:
    """How often a fault was made, and what came of it."""

    fault: str
    times: int = 0
    lost: int = 0
    doubled: int = 0
    differences: int = 0

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.differences)


def shown(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| fault | times | lost | doubled | differences |", "|---|---:|---:|---:|---:|"]
    lines += [f"| {row.fault} | {row.times:,} | {row.lost} | {row.doubled} | {row.differences} |" for row in rows]
    return "\n".join(lines)
