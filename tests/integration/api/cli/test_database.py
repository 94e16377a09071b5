"""``gridtrace migrate`` on a database of its own, as a person types it."""

import secrets
from urllib.parse import urlsplit, urlunsplit

import pytest

from api.cli import main
from tests.integration.conftest import database_of, execute, run

pytestmark = pytest.mark.integration

# The role is the whole server's: another test's database may have made it already.
ROLE = "do $$ begin create role gridtrace_app nologin; exception when duplicate_object then null; end $$"


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


def test_migrate__role_is_no_superuser__says_what_an_administrator_runs(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"plain_{secrets.token_hex(4)}"
    run(execute(postgres_url, f"create role {name} login password 'plain'", f"create database {name} owner {name}"))
    server = urlsplit(postgres_url)
    plain = server._replace(netloc=f"{name}:plain@{server.hostname}:{server.port}", path=f"/{name}")
    monkeypatch.setenv("DATABASE_URL", urlunsplit(plain))
    try:
        assert main.execute(["migrate", "upgrade"]) == main.FAILED
        line = capsys.readouterr().err.splitlines()[-1]
        assert f"administrator of database {name}: " in line
        assert "create extension if not exists earthdistance;" in line
        commands = "create extension if not exists cube; create extension if not exists earthdistance;"
        assert commands in line
        run(execute(database_of(postgres_url, name), commands))
        assert main.execute(["migrate", "upgrade"]) == main.FAILED
        line = capsys.readouterr().err.splitlines()[-1]
        assert f"grant gridtrace_app to {name};" in line
        run(execute(postgres_url, ROLE, f"grant gridtrace_app to {name}"))
        assert main.execute(["migrate", "upgrade"]) == 0
    finally:
        run(execute(postgres_url, f"drop database {name} with (force)", f"drop role {name}"))
