import itertools
from pathlib import Path

from api.devnet.process import Service
from api.devnet.watcher import HEALTHY_S, Watched, Watcher


class FakeService(Service):
    name = "fake"

    def __init__(self) -> None:
        super().__init__(Path("/dev/null"))
        self.up = True
        self.spawned = 0

    def alive(self) -> bool:
        return self.up

    def spawn(self) -> None:
        self.spawned += 1


def test_look_after__alive__is_left_alone() -> None:
    service = FakeService()
    entry = Watched(service)
    Watcher().look_after(entry, 100.0)
    assert (service.spawned, entry.restarts) == (0, 0)


def test_look_after__dead__starts_again_after_a_pause_that_grows() -> None:
    service = FakeService()
    service.up = False
    entry = Watched(service)
    watcher = Watcher()
    starts = []
    for tenth in range(100):
        before = service.spawned
        watcher.look_after(entry, tenth / 10)
        if service.spawned > before:
            starts.append(tenth / 10)
    pauses = [later - earlier for earlier, later in itertools.pairwise(starts)]
    assert len(starts) >= 4
    assert pauses == sorted(pauses)
    assert pauses[-1] > pauses[0]
    assert entry.restarts == len(starts)


def test_look_after__healthy_for_long__forgets_earlier_failures() -> None:
    entry = Watched(FakeService(), failures=4, started=0.0)
    Watcher().look_after(entry, HEALTHY_S + 1)
    assert entry.failures == 0
