import json
from dataclasses import replace
from pathlib import Path

import pytest

from api.devnet.report import SlotRow, counted, outcomes, percentile, summarise

SLOT_S = 900


def slot(number: int, *, trades: int = 2, differences: int | None = 0) -> SlotRow:
    return SlotRow(
        delivery_start=number * SLOT_S,
        order_count=4,
        clearing_price_per_kwh=100_000,
        matched_wh=500,
        trades=trades,
        state="settled",
        state_reason=None,
        traded_wh=500,
        delivered_wh=400,
        imbalance_wh=30,
        gas_used=100_001,
        differences=differences,
        settled_wh=500,
        two_sided=True,
    )


def test_counted__slots_before_the_first_trade__do_not_count() -> None:
    rows = [slot(1, trades=0), slot(2), slot(3, trades=0), slot(4)]
    assert [row.delivery_start // SLOT_S for row in counted(rows, SLOT_S, 2)] == [2, 3]


def test_counted__no_trade_yet__is_empty() -> None:
    assert counted([slot(1, trades=0)], SLOT_S, 2) == []


def test_done__settled_but_not_audited__is_not_done() -> None:
    assert not slot(1, differences=None).done
    assert not replace(slot(1), state="submitted").done
    assert slot(1, differences=3).done


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100)])
def test_percentile__a_hundred_values__is_the_nearest_rank(share: float, expected: int) -> None:
    assert percentile([float(value) for value in range(1, 101)], share) == expected


def test_percentile__nothing__is_none() -> None:
    assert percentile([], 0.99) is None


def test_summarise__two_slots__adds_them_up() -> None:
    extra = {
        "events_indexed": 9,
        "meters_delivered": {"modbus": 1, "mqtt": 1},
        "refused_orders": 0,
        "restarts": 0,
        "duration_s": 1.0,
        "page": "http://127.0.0.1:8600/",
    }
    summary = summarise([slot(1), slot(2, differences=1)], [0.010, 0.020], extra)
    assert (summary.slots, summary.trades, summary.traded_wh, summary.delivered_wh) == (2, 4, 1_000, 800)
    assert (summary.differences, summary.gas_per_trade) == (1, 50_000)
    assert (summary.indexer_lag_ms_p50, summary.indexer_lag_ms_p99) == (10, 20)
    assert "\n" not in summary.as_json()
    assert json.loads(summary.as_json())["clearing_prices"] == [100_000, 100_000]


def test_outcomes__a_line_still_being_written__is_left_for_later(tmp_path: Path) -> None:
    journal = tmp_path / "orders.jsonl"
    first = b'{"outcome":"open"}\n'
    journal.write_bytes(first + b'{"outcome":"refused"}\n{"outcome":"re')
    assert outcomes(journal) == {"open": 1, "refused": 1}
    assert outcomes(journal, len(first)) == {"refused": 1}
    assert outcomes(tmp_path / "none") == {}
