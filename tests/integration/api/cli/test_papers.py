"""``gridtrace papers`` as a person types it."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.cli import main
from node.assets.sweeping import GRACE_S
from node.documents import files
from node.documents.blocks import FolderBlocks
from node.documents.unixfs import CLASSIC

pytestmark = pytest.mark.integration


async def pieces() -> AsyncIterator[bytes]:
    yield b"an upload that failed"


def test_sweep__failed_upload__is_removed_once(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("GRIDTRACE_DOCUMENTS_DIR", str(tmp_path))
    asyncio.run(files.add(FolderBlocks(tmp_path), pieces(), CLASSIC, 100))
    long_ago_s = time.time() - GRACE_S - 60
    for path in tmp_path.glob("??/*"):
        os.utime(path, (long_ago_s, long_ago_s))
    assert main.execute(["papers", "sweep", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"removed": 1}
    assert main.execute(["papers", "sweep"]) == 0
    assert capsys.readouterr().out == "0 blocks removed\n"


def test_sweep__no_folder_configured__is_wrong_usage(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.delenv("GRIDTRACE_DOCUMENTS_DIR", raising=False)
    assert main.execute(["papers", "sweep"]) == main.USAGE
    assert "GRIDTRACE_DOCUMENTS_DIR is not set" in capsys.readouterr().err
