"""``gridtrace simulate`` on the series that come with the installation."""

import json
from pathlib import Path

import pytest

from api.cli.main import USAGE, execute

SMALL = ["simulate", "--homes", "6", "--rooftops", "3", "--plants", "1", "--days", "1"]


def test_simulate__as_json__has_every_strategy_and_slot(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute([*SMALL, "--json"]) == 0
    outcomes = json.loads(capsys.readouterr().out)
    assert [outcome["measures"]["strategy"] for outcome in outcomes] == ["truthful", "adaptive", "zero-intelligence"]
    assert {len(outcome["slots"]) for outcome in outcomes} == {96}
    assert {outcome["measures"]["residue_nano"] for outcome in outcomes} == {0}


def test_simulate__one_strategy__prints_its_column_and_mean_day(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute([*SMALL, "--strategy", "truthful", "--forecast", "perfect"]) == 0
    text = capsys.readouterr().out
    assert "7 participants, 96 slots" in text
    assert "of what was possible" in text
    assert "100.0 %" in text
    assert "zero-intelligence" not in text


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_simulate__with_a_plot__writes_the_picture(suffix: str, tmp_path: Path) -> None:
    picture = tmp_path / f"days{suffix}"
    assert execute([*SMALL, "--strategy", "adaptive", "--plot", str(picture)]) == 0
    assert picture.stat().st_size > 10_000


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["--strategy", "greedy"], "must be one of"),
        (["--rooftops", "7"], "there are only 6 homes"),
        (["--plot", "/no/such/folder/a.png"], "there is no folder"),
        (["--plot", "days.bmp"], "must end in one of"),
    ],
)
def test_simulate__what_cannot_be_played__is_refused_before_it_starts(
    wrong: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute([*SMALL, *wrong]) == USAGE
    assert told in capsys.readouterr().err


def test_simulate__rules_that_contradict_each_other__are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GRIDTRACE_PRICE_LONG_PER_KWH", "900000")
    assert execute(SMALL) == USAGE
    assert "GRIDTRACE_PRICE_LONG_PER_KWH" in capsys.readouterr().err
