"""Options of ``gridtrace deploy``: what is refused, all of it at once."""

from pathlib import Path

import pytest

from api.cli import deploy, main
from indexer.config import Environment
from node.deploy import Parameters

ADDRESS = "0xdAC17F958D2ee523a2206206994597C13D831ec7"


@pytest.fixture
def key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RPC_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("GRIDTRACE_CHAIN_ID", "5")
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "key"
    path.write_text("0x" + "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
    return path


def test_deploy__unfit_options__each_is_told(key_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [
        "--key-file",
        str(key_file),
        "--operator",
        "0x12",
        "--role",
        "king=0x12",
        "--role",
        f"guardian={ADDRESS}",
    ]
    assert main.execute(["deploy", *options, "--zone", "one=DE", "--slot-seconds", "-1"]) == main.USAGE
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    for option in ("--operator", "--role king", "--zone one=DE", "--slot-s"):
        assert any(option in line for line in lines)


def test_deploy__published_key_on_a_real_chain__refused_before_anything(
    key_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.execute(["deploy", "--key-file", str(key_file), "--operator", ADDRESS]) == main.FAILED
    assert "(dev-key-refused)" in capsys.readouterr().err
    assert not (key_file.parent / "deployments").exists()


@pytest.mark.parametrize(("chain_id", "base"), [(31_337, Parameters.of_devnet()), (1, Parameters())])
def test_parameters__nothing_given__those_of_the_kind_of_chain(chain_id: int, base: Parameters) -> None:
    assert deploy._parameters(Environment({}), chain_id, (), {"slot_s": None}) == base


def test_parameters__given__in_place_of_the_default() -> None:
    found = deploy._parameters(Environment({}), 1, ["1=DE-LU", "7=CH"], {"slot_s": 300})
    assert (found.slot_s, found.zones) == (300, ((1, "DE-LU"), (7, "CH")))


def test_help__every_option_of_a_parameter__is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.execute(["deploy", "--help"]) == 0
    shown = capsys.readouterr().out
    for option in ("--role", "--treasury", "--zone", "--slot-seconds", "--timelock-delay", "--trace-cap", "--compile"):
        assert option in shown
