"""Our own chain leaves nothing behind, however it ends."""

from pathlib import Path

import pytest

from api.devnet.chain import Anvil

pytestmark = pytest.mark.integration


def test_anvil__killed__what_it_kept_of_old_blocks_goes_with_it(tmp_path: Path) -> None:
    left = tmp_path / "anvil.states" / "of an earlier one" / "0x01.json"
    left.parent.mkdir(parents=True)
    left.write_text("{}")
    anvil = Anvil(tmp_path / "anvil.log")
    anvil.start()
    assert not left.exists()
    assert str(tmp_path / "anvil.states") in anvil.command()
    left.parent.mkdir(parents=True)
    left.write_text("{}")
    assert anvil.process is not None
    anvil.process.kill()
    anvil.process.wait()
    anvil.stop()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["anvil.log"]
