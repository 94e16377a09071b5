"""The gateway's counters, and what is said of an outage."""

import logging

import pytest

from contracts.typed_data import Reading, reading_digest, recover
from node.metering.devices import Sample
from node.metering.meter import Gateway, Outages

KEY = bytes(31) + b"\x09"


def test_sign__unsigned_device__continues_the_stored_counter_at_the_clocks_time() -> None:
    gateway = Gateway(KEY)
    gateway.resume({3: Reading(3, 1_000, 41, 0, 0, 0)})
    signed = gateway.sign(3, Sample(import_wh=5), 1_060.9)
    assert signed is not None
    assert signed.reading == Reading(3, 1_060, 42, 5, 0, 0)
    assert recover(reading_digest(signed.reading), signed.signature) == gateway.address == signed.signer


def test_sign__device_with_own_time_and_counter__keeps_them() -> None:
    signed = Gateway(KEY).sign(3, Sample(time=900, counter=77), 1_000)
    assert signed is not None
    assert (signed.reading.time, signed.reading.counter) == (900, 77)


def test_sign__time_not_passed__says_nothing_and_spends_no_counter() -> None:
    gateway = Gateway(KEY)
    gateway.sign(3, Sample(), 1_000)
    assert gateway.sign(3, Sample(), 1_000.7) is None
    following = gateway.sign(3, Sample(), 1_001)
    assert following is not None and following.reading.counter == 2


def test_resume__known_meter__does_not_go_back() -> None:
    gateway = Gateway(KEY)
    gateway.sign(3, Sample(), 2_000)
    gateway.resume({3: Reading(3, 1_000, 0, 0, 0, 0)})
    assert gateway.sign(3, Sample(), 1_500) is None


def test_outages__repeated_failures__are_named_once_and_tried_less_often(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    now = [0.0]
    outages = Outages("meter", monotonic=lambda: now[0])
    assert [outages.failed("m1", "gone") for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert not outages.is_due("m1") and outages.is_due("m2")
    now[0] = 30
    assert outages.is_due("m1")
    outages.worked("m1")
    outages.worked("m1")
    assert [record.getMessage() for record in caplog.records] == [
        "meter lost name=m1 error=gone",
        "meter back name=m1",
    ]
