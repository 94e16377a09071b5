"""``gridtrace meter import``: the file, and what the API makes of it."""

from pathlib import Path

import pytest

from api.cli import meters
from api.cli.readings_file import read
from api.client import Client
from contracts.typed_data import Reading, reading_digest, sign
from tests.integration.api.conftest import ALICE_KEY, BOB_KEY, METER_KEY, NOW_S, Market, clear_account, market

__all__ = ["market"]

pytestmark = pytest.mark.integration


async def test_import__signed_forged_and_again__is_tallied_and_changes_nothing_twice(
    market: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await clear_account(market, ALICE_KEY, meter_id=3)
    file = tmp_path / "readings.csv"
    lines = ["meter_id,time,counter,import_wh,export_wh,power_w,signature"]
    for counter, key in ((1, METER_KEY), (2, METER_KEY), (3, BOB_KEY)):
        made = Reading(3, NOW_S - 1_000 + counter * 60, counter, 100 * counter, 0, 500)
        signature = sign(reading_digest(made), key).hex()
        lines.append(f"3,{made.time},{counter},{made.import_wh},0,500,0x{signature}")
    file.write_text("\n".join(lines) + "\n")
    monkeypatch.setattr("api.client.Client", lambda url, key: market.client(key))
    first = await meters.send(list(read(file)), "unused")
    again = await meters.send(list(read(file)), "unused")
    assert first == {("VALIDATED", ""): 2, ("REFUSED", "wrong-signer"): 1}
    assert again == {("DUPLICATE", "counter-not-growing"): 2, ("REFUSED", "wrong-signer"): 1}
    async with Client("http://market.test", ALICE_KEY, transport=market.transport) as alice:
        await alice.sign_in()
        assert [meter.meter_id for meter in await alice.meters()] == [3]
