"""``gridtrace migrate`` on a database of its own, as a person types it."""

import pytest

from api.cli import main

pytestmark = pytest.mark.integration


def test_migrate__down_and_up__tells_where_it_is(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert main.execute(["migrate", "current"]) == 0
    newest = capsys.readouterr().out.strip()
    assert newest.endswith("(head)")
    assert main.execute(["migrate", "downgrade", "-1"]) == 0
    assert capsys.readouterr().out.strip() not in (newest, "")
    assert main.execute(["migrate", "downgrade", "base"]) == 0
    assert capsys.readouterr().out.strip() == "no schema yet"
    assert main.execute(["migrate", "upgrade"]) == 0
    assert capsys.readouterr().out.strip() == newest


@pytest.mark.parametrize("command", [["upgrade", "9999"], ["downgrade", "nonsense"]])
def test_migrate__unknown_revision__is_one_line(
    command: list[str], database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert main.execute(["migrate", *command]) == main.FAILED
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("gridtrace: ") and line.endswith("(migration-failed)")


def test_migrate__nobody_answers__is_one_line_without_the_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:hidden@127.0.0.1:1/x")
    assert main.execute(["migrate", "current"]) == main.FAILED
    (line,) = capsys.readouterr().err.splitlines()
    assert "hidden" not in line
