from pathlib import Path

import pytest

from api.devnet.keys import BadKeyFile, KeyRing, read_key


def test_key_ring__a_new_key__is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "keys")
    first = ring.key("operator")
    assert ring.key("operator") == first
    assert ring.key("gateway") != first
    assert ring.file("operator").stat().st_mode & 0o777 == 0o600
    assert ring.folder.stat().st_mode & 0o777 == 0o700
    assert len(ring.address("operator")) == 20


@pytest.mark.parametrize("content", ["0x1234", "zz" * 32, ""])
def test_read_key__not_a_key__is_refused_without_telling_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "key"
    path.write_text(content)
    with pytest.raises(BadKeyFile) as caught:
        read_key(path)
    assert not content or content not in str(caught.value)
