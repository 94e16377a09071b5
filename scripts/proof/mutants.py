"""Mutants of Solidity: one small fault in a line, by a stated list of operators."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

OPERATORS: Final = (
    ("relation", r" (<|<=|>|>=|==|!=) ", {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}),
    ("arithmetic", r" (\+|-|\*|/|%) (?!=)", {"+": "-", "-": "+", "*": "/", "/": "*", "%": "*"}),
    ("assignment", r" (\+=|-=|\|=) ", {"+=": "-=", "-=": "+=", "|=": "="}),
    ("logic", r" (&&|\|\|) ", {"&&": "||", "||": "&&"}),
    ("bits", r" (&|\||<<|>>) ", {"&": "|", "|": "&", "<<": ">>", ">>": "<<"}),
    ("negation", r"([(\s])(!)(?=[a-z_(])", {"!": ""}),
    ("step", r"(\+\+|--)", {"++": "--", "--": "++"}),
    ("modifier", r"\b(restricted|nonReentrant|whenNotPaused)\b(?=[^;]*$)", None),
    ("yul relation", r"\b(lt|gt|slt|sgt)\(", {"lt": "gt", "gt": "lt", "slt": "sgt", "sgt": "slt"}),
    ("yul arithmetic", r"\b(add|sub|mul)\(", {"add": "sub", "sub": "add", "mul": "add"}),
    ("yul bits", r"\b(or|and|shl|shr|xor)\(", {"or": "and", "and": "or", "shl": "shr", "shr": "shl", "xor": "or"}),
    ("number", r"(?<![\w.])([1-9][0-9_]*)(?![\w.])", None),
)
"""Name, what is replaced (its last group), and by what; None: a modifier is left out, a number grows by one."""

GUARD: Final = re.compile(r"^(\s*)if \(.*\) revert .*;\s*(//.*)?$")
STATEMENT: Final = re.compile(
    r"^\s+(?!return\b|revert\b|using\b|import\b|break\b|let\b)[\w.\[\]]+(\(.*\)|\s*[-+|]?=\s*.*);\s*$"
)
_SKIPPED: Final = re.compile(r"^\s*(//|/?\*|import|pragma|using|error|event|mapping|type\b|@)")
_CONSTANT_DATA: Final = re.compile(r"keccak256\(|^\s*\"|0x[0-9a-fA-F]{40,}")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One changed line; ``line`` counts from 1."""

    path: str
    line: int
    operator: str
    before: str
    after: str

    @property
    def name(self) -> str:
        return (
            f"{self.path}:{self.line} {self.operator}: {self.before.strip()}  ->  {self.after.strip() or '(nothing)'}"
        )

    def apply(self, source: str) -> str:
        """The source with the fault."""
        lines = source.split("\n")
        lines[self.line - 1] = self.after
        return "\n".join(lines)


def mutants(path: str, source: str) -> Iterator[Mutant]:
    """All of a source file, in its order."""
    for number, line in enumerate(source.split("\n"), 1):
        if not _SKIPPED.match(line) and not _CONSTANT_DATA.search(line):
            code = line.split(" // ")[0]
            for operator, after in _faults(code):
                yield Mutant(path, number, operator, line, after)


def _faults(line: str) -> Iterator[tuple[str, str]]:
    if GUARD.match(line):
        yield "guard left out", GUARD.sub(r"\1", line)
    elif STATEMENT.match(line):
        yield "statement left out", ""
    for name, pattern, swaps in OPERATORS:
        for found in re.finditer(pattern, line):
            group = found.lastindex or 0
            old = found[group]
            new = swaps[old] if swaps is not None else "" if name == "modifier" else str(int(old) + 1)
            yield name, line[: found.start(group)] + new + line[found.end(group) :]


def own_sources(root: Path) -> list[str]:
    """Paths of the sources that are mutated: all but interfaces and the reference, which is itself a test."""
    found = (path.relative_to(root).as_posix() for path in (root / "contracts" / "src").rglob("*.sol"))
    return sorted(path for path in found if "/interfaces/" not in path and "/reference/" not in path)
