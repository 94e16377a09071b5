import re
from pathlib import Path

import pytest

from api.cli import environment, main

CONFIGS = ("indexer/config.py", "node/config.py", "api/config.py")
ROOT = Path(__file__).parents[4]


def test_of_serve__every_variable_that_the_code_names__is_listed() -> None:
    named = {
        name
        for path in CONFIGS
        for name in re.findall(r'env\.(?:read|optional|secret)\(\s*"([A-Z_]+)"', (ROOT / path).read_text())
    }
    listed = {name.split()[0] for name, _ in environment.of_serve()}
    assert listed == named | {"GRIDTRACE_LOG_LEVEL"}


@pytest.mark.parametrize("command", ["run", "index", "node", "serve", "deploy", "audit"])
def test_help__of_a_command__ends_with_its_settings(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.execute([command, "--help"]) == 0
    assert "RPC_URL" in capsys.readouterr().out.partition("Settings (environment):")[2]


def test_rows__default_and_required__are_told_apart() -> None:
    told = dict(environment.of_node())
    assert told["GRIDTRACE_SLOT_S"] == "Length of a delivery slot. [default: 900]"
    assert told["GRIDTRACE_OPERATOR_KEY_FILE"].endswith("[required]")
    assert told["MQTT_URL"].endswith("[not set]")
