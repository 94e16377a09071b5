from datetime import UTC, datetime

import pytest

from api.web.format import MINUS, NONE, THIN_SPACE, ago, brief, cash, cents, kwh, nano, short, stamp, whole


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (kwh(1_234_567), f"1{THIN_SPACE}234.567"),
        (kwh(-5), f"{MINUS}0.005"),
        (kwh(0), "0.000"),
        (kwh(None), NONE),
        (cents(182_349), "18.23"),
        (cents(182_350), "18.24"),
        (cents(-182_350), f"{MINUS}18.24"),
        (cash(1_234_550), "1.2346"),
        (cash(-50), f"{MINUS}0.0001"),
        (nano(1_499), "0.0000"),
        (ago(7), "7 s"),
        (ago(-1), "0 s"),
        (ago(125.9), "2 min 5 s"),
        (ago(7_260), "2 h 1 min"),
        (ago(90_000), "1 d 1 h"),
        (brief("x" * 24), "x" * 24),
        (brief("0x" + "ab" * 32), "0xabababab…ababab"),
        (nano(-1_234_567_890), f"{MINUS}1.2346"),
        (whole(12_345), f"12{THIN_SPACE}345"),
        (short(b"\x11" * 32), "0x1111…1111"),
        (short(None), NONE),
        (stamp(datetime(2026, 6, 21, 12, tzinfo=UTC)), "2026-06-21 12:00:00"),
    ],
)
def test_format__value__is_written_for_people(written: str, text: str) -> None:
    assert written == text
