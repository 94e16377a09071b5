"""A run that was killed between two steps goes on where it ended."""

from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from api.devnet import plants
from api.devnet.community import Member
from api.devnet.keys import KeyRing

T = TypeVar("T")
PLANT = Member("plant-01", "plant", 0, 3, "mqtt", 0, 1)
HOME = Member("home-01", "home", 0, 1, "mqtt", 0, 1)


class FakeClient:
    """The assets of an API that mines at once; a foreign asset waits for ever."""

    def __init__(self, *assets: dict[str, Any]) -> None:
        self.assets = list(assets)
        self.papers: list[str] = []
        self.asked: list[str] = []

    async def call(self, method: str, path: str, kind: type[T], **options: Any) -> T:
        if (method, path) == ("GET", "/v1/assets"):
            return msgspec.convert({"items": self.assets}, kind)
        if (method, path) == ("POST", "/v1/assets"):
            self.assets.append(asset(options["body"]["plant_id"], "pending"))
            return msgspec.convert({"asset": self.assets[-1]}, kind)
        if method == "PUT":
            self.papers.append(path)
            return msgspec.convert({"path": path, "cid": "b"}, kind)
        assert path.endswith("/token")
        self.asked.append(path)
        (found,) = (one for one in self.assets if path == f"/v1/assets/{one['id']}/token")
        found |= {"status": "active", "token": "0x" + "11" * 20}
        return msgspec.convert({"outbox_id": 1}, kind)

    async def wait_mined(self, outbox_id: int, *, timeout_s: float) -> None:
        assert outbox_id == 1


def asset(plant_id: str, status: str) -> dict[str, Any]:
    fields = {"id": f"id-{plant_id}", "token_id": 1, "plant_id": plant_id, "name": plant_id, "status": status}
    return fields | {"token": None, "offer_fractions": "0"}


@pytest.mark.parametrize(
    ("before", "made", "papers"),
    [([], 1, 1), ([asset("plant-01", "pending")], 0, 1), ([asset("plant-01", "tokenising")], 0, 0)],
)
async def test_list_plants__killed_before__brings_each_plant_to_its_token(
    before: list[dict[str, Any]], made: int, papers: int, tmp_path: Path
) -> None:
    client = FakeClient(*(dict(one) for one in before), asset("somebody-else's", "tokenising"))
    keys = KeyRing(tmp_path)
    assert await plants.list_plants(client, [HOME, PLANT], keys, None) == made  # type: ignore[arg-type]
    assert client.asked == ["/v1/assets/id-plant-01/token"]
    assert len(client.papers) == papers
    assert await plants.list_plants(client, [HOME, PLANT], keys, None) == 0  # type: ignore[arg-type]
    assert len(client.asked) == 1
