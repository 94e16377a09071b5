from collections.abc import Iterator
from typing import Any

import pytest
import typer

from api.cli import main
from indexer.errors import ConfigError, GridtraceError, WrongChain


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "DATABASE_URL_FILE", "RPC_URL", "GRIDTRACE_CHAIN_ID", "GRIDTRACE_DEPLOYMENT"):
        monkeypatch.delenv(name, raising=False)


def test_execute__help__lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.execute(["--help"]) == 0
    shown = capsys.readouterr().out
    for command in ("run", "index", "node", "serve", "migrate", "deploy", "audit", "order", "meter"):
        assert f"  {command} " in shown


def test_execute__unknown_command__is_a_usage_fault() -> None:
    assert main.execute(["nonsense"]) == main.USAGE


def test_execute__index_without_settings__names_every_fault(
    no_settings: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.execute(["index"]) == main.USAGE
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 4
    assert all(line.startswith("gridtrace: ") and line.endswith("(config-invalid)") for line in lines)


def test_execute__order_with_a_missing_key_file__is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.execute(["order", "list", "--key-file", "/nonexistent"]) == main.FAILED
    assert capsys.readouterr().err == "gridtrace: /nonexistent: No such file or directory (bad-key-file)\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError(["a", "b"]), main.USAGE),
        (GridtraceError("broken"), main.FAILED),
        (WrongChain("another"), main.USAGE),
        (ExceptionGroup("all", [GridtraceError("one"), ConfigError(["two"])]), main.USAGE),
    ],
)
def test_execute__our_errors__end_without_a_traceback(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(main, "app", fail)
    assert main.execute([]) == code
    assert "Traceback" not in capsys.readouterr().err


def test_execute__deploy_without_settings__names_every_fault(
    no_settings: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("GRIDTRACE_OPERATOR", "GRIDTRACE_DEPLOYER_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    assert main.execute(["deploy"]) == main.USAGE
    assert len(capsys.readouterr().err.splitlines()) == 4


def test_execute__group_with_a_fault_of_ours__is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise ExceptionGroup("all", [GridtraceError("one"), ZeroDivisionError()])

    monkeypatch.setattr(main, "app", fail)
    with pytest.raises(ExceptionGroup):
        main.execute([])


def test_execute__completion_asked_by_a_shell__names_commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("_GRIDTRACE_COMPLETE", "complete_bash"), ("COMP_WORDS", "gridtrace ex"), ("COMP_CWORD", "1")):
        monkeypatch.setenv(name, value)
    main.execute([])
    assert capsys.readouterr().out.split() == ["export"]


WITHOUT = ("node", "serve", "index", "auction clear")
"""They run until they are stopped, or answer each line with JSON anyway."""


def commands(command: Any, *path: str) -> Iterator[tuple[str, Any]]:
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, *path, name)
    if not hasattr(command, "commands"):
        yield " ".join(path), command


def test_commands__each__tells_a_program_what_it_did() -> None:
    every = dict(commands(typer.main.get_command(main.app)))
    assert len(every) > 30
    silent = [name for name, command in every.items() if not any("--json" in p.opts for p in command.params)]
    assert [name for name in silent if name not in WITHOUT] == []
