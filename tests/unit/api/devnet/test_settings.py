from pathlib import Path

import pytest

from api.devnet.settings import AlreadyRunning, Folder, Wishes, remembered, settings_of
from indexer.errors import ConfigError


def test_remembered__first_run__keeps_the_wishes(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    first = remembered(folder, Wishes(homes=3, plants=2, seed=7), 20_500)
    again = remembered(folder, Wishes(), 29_999)
    assert (again.homes, again.plants, again.seed, again.modbus_port) == (3, 2, 7, 20_500)
    assert again == first


def test_remembered__contradicting_wishes__names_all_of_them(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    remembered(folder, Wishes(homes=3), 20_500)
    with pytest.raises(ConfigError) as caught:
        remembered(folder, Wishes(homes=4, seed=9), 20_500)
    assert len(caught.value.faults) == 2
    assert "--homes 4" in caught.value.faults[0]


def test_remembered__no_such_data_folder__is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        remembered(Folder(tmp_path), Wishes(data=tmp_path / "none"), 20_500)


def test_remembered__torn_memory__says_how_to_start_anew(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(ConfigError, match="--fresh"):
        remembered(Folder(tmp_path), Wishes(), 20_500)


def test_lock__second_holder__is_refused_until_the_first_lets_go(tmp_path: Path) -> None:
    first, second = Folder(tmp_path), Folder(tmp_path)
    first.lock()
    with pytest.raises(AlreadyRunning, match="is in use by process"):
        second.lock()
    first.unlock()
    second.lock()
    second.unlock()


def test_clear__everything_but_the_lock__is_gone(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.lock()
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "operator").write_text("x")
    folder.clear()
    assert [entry.name for entry in tmp_path.iterdir()] == ["lock"]
    folder.unlock()


def test_rate__twenty_seconds_a_slot__is_forty_five() -> None:
    assert Wishes(slot_seconds=20).rate == 45


def test_settings_of__no_run__is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gridtrace run"):
        settings_of(tmp_path)


def test_lock__folder_that_cannot_be_made__is_one_fault(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="--state-dir"):
        Folder(tmp_path / "file").lock()
