"""``gridtrace meter check``, ``maps`` and ``import``: what people see."""

from pathlib import Path

import pytest

from api.cli import import_files
from api.cli.main import execute
from contracts.typed_data import address_of, reading_digest, recover
from tests.unit.node.metering.test_green_button import T, block, feed, kind

KEY = bytes(31) + b"\x05"


def test_check__good_and_bad_map__names_file_key_and_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    text = 'name = "x"\ndriver = "modbus"\nsource = "some manual"\n'
    text += 'registers = [{ role = "import_wh", address = 1, type = "u32", unit = "kWh" }]\n'
    good.write_text(text)
    bad.write_text(text.replace("u32", "u33"))
    assert execute(["meter", "check", str(good)]) == 0
    assert capsys.readouterr().out == f"{good}: x, a modbus device\n"
    assert execute(["meter", "check", str(good), str(bad)]) == 1
    said = capsys.readouterr().err
    assert said == f"gridtrace: {bad}: registers[0].type: Invalid enum value 'u33' (device-map-bad)\n"


def test_maps__lists_devices_with_their_sources(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["meter", "maps"]) == 0
    assert "eastron-sdm630" in capsys.readouterr().out


def test_read__unknown_map__is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["meter", "read", "--map", "nothing", "--address", "h:1"]) == 1
    assert capsys.readouterr().err == "gridtrace: no device is called 'nothing' (device-unknown)\n"


def test_read__device_that_only_speaks__says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["meter", "read", "--map", "tasmota-energy", "--address", "h:1"]) == 1
    assert "(device-not-asked)" in capsys.readouterr().err


def test_load__green_button__is_signed_with_the_key_and_the_same_again(tmp_path: Path) -> None:
    path, key = tmp_path / "usage.xml", tmp_path / "key"
    path.write_bytes(feed(kind(), block((T, 900, 25), (T + 900, 900, 30))))
    key.write_text("0x" + KEY.hex())
    found = import_files.load(path, 7, key, None, (1_000, 0))
    assert [(reading.meter_id, reading.import_wh) for reading, _ in found] == [(7, 1_000), (7, 1_025), (7, 1_055)]
    assert {recover(reading_digest(reading), signature) for reading, signature in found} == {address_of(KEY)}
    assert import_files.load(path, 7, key, None, (1_000, 0)) == found


def test_import__unsigned_without_a_key__is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "registers.csv"
    path.write_text("time,import_wh,export_wh\n1,2,3\n")
    assert execute(["meter", "import", str(path)]) == 2
    assert "--meter-id and --key-file are needed" in capsys.readouterr().err
