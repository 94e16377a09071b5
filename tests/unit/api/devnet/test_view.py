import io
from dataclasses import replace

import pytest
from rich.console import Console

from api.devnet.report import SlotRow
from api.devnet.slot_table import plain, plain_head
from api.devnet.view import Moment, View, picture

ROW = SlotRow(
    delivery_start=1_750_154_400, order_count=128, clearing_price_per_kwh=-295_500, matched_wh=1, trades=1_204,
    state="settled", state_reason=None, traded_wh=1_234_567, delivered_wh=1_233_000, imbalance_wh=5_430,
    gas_used=1_204 * 106_867, differences=0, settled_wh=1, two_sided=True,
)  # fmt: skip
MOMENT = Moment("http://127.0.0.1:8600", 1_750_155_000.0, 45.0, 12.3, {"index": "up", "node": "down"}, 4, 1)


def drawn(rows: list[SlotRow], width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=24, force_terminal=True, color_system=None)
    with console.capture() as shown:
        console.print(picture(MOMENT, rows, rows))
    return shown.get().splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_picture__widest_figures__stand_whole_in_one_line_each(width: int) -> None:
    lines = drawn([ROW, replace(ROW, delivery_start=1_750_155_300, differences=12)], width)
    assert max(map(len, lines)) <= width
    (slot,) = [line for line in lines if line.startswith("06-17 10:00")]
    for figure in ("-0.2955", "128", "1204", "1234.6", "5.430", "106867", "✓ 0 differ"):
        assert figure in slot


def test_picture__differences_and_a_dead_process__cannot_be_overlooked() -> None:
    text = "\n".join(drawn([replace(ROW, differences=3)], 80))
    assert "✗ 3 differ" in text
    assert "✗ 3 DIFFERENCES in 1 audited slot" in text
    assert "✗node" in text
    assert "http://127.0.0.1:8600/" in text


def test_plain__one_line_within_100_columns_under_its_head() -> None:
    assert len(plain_head()) <= 100
    assert len(plain(ROW)) <= 100
    assert plain(ROW).endswith("audited, 0 differences")


def test_show__not_a_terminal__tells_each_done_slot_once_and_unwrapped() -> None:
    out = io.StringIO()
    view = View(Console(file=out, width=40))
    with view:
        view.show(MOMENT, [ROW, replace(ROW, delivery_start=1_750_155_300, differences=None)])
        view.show(MOMENT, [ROW])
    lines = out.getvalue().splitlines()
    assert [line for line in lines if "audited" in line] == [plain(ROW)]
