"""What contracts returned at final blocks, on disk: asked once, whatever is indexed again."""

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

FILE: Final = "calls.sqlite3"
AT_ONCE: Final = 500
TIMEOUT_S: Final = 10.0
Key = bytes
Answer = tuple[str, bytes]
"""Outcome, and what was returned."""


class CallCache:
    """One file, safe to share between processes and to lose at any moment."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / FILE

    async def find(self, keys: Sequence[Key]) -> dict[Key, Answer]:
        """Those that are there."""
        return await asyncio.to_thread(self._find, keys)

    async def keep(self, answers: Mapping[Key, Answer]) -> None:
        """Of final blocks only: nobody takes anything out."""
        if answers:
            await asyncio.to_thread(self._keep, answers)

    def _find(self, keys: Sequence[Key]) -> dict[Key, Answer]:
        found: dict[Key, Answer] = {}
        with self._open() as db:
            for at in range(0, len(keys), AT_ONCE):
                part = keys[at : at + AT_ONCE]
                places = ", ".join("?" * len(part))
                rows = db.execute(f"select key, outcome, data from calls where key in ({places})", part)  # noqa: S608
                found |= {key: (outcome, data) for key, outcome, data in rows}
        db.close()
        return found

    def _keep(self, answers: Mapping[Key, Answer]) -> None:
        with self._open() as db:
            rows = [(key, *answer) for key, answer in answers.items()]
            db.executemany("insert or ignore into calls (key, outcome, data) values (?, ?, ?)", rows)
        db.close()

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=TIMEOUT_S)
        db.execute("pragma journal_mode = wal")
        db.execute("create table if not exists calls (key blob primary key, outcome text, data blob) without rowid")
        return db
