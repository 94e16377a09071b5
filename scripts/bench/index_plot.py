"""A series of runs as SVG: seconds and memory over events."""

from collections.abc import Sequence
from typing import Final

WIDTH: Final = 640
HEIGHT: Final = 360
MARGIN: Final = 56


def plot(runs: Sequence[tuple[int, float, float]]) -> str:
    """Runs as (events, seconds, peak megabytes); the dashed line is proportional to the last run."""
    most_events = max(events for events, _, _ in runs)
    most_s = 1.1 * max(seconds for _, seconds, _ in runs)
    most_mb = max(200.0, 1.2 * max(peak for _, _, peak in runs))

    def at(events: float, share: float) -> str:
        x = MARGIN + (WIDTH - 2 * MARGIN) * events / most_events
        return f"{x:.1f},{HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * share:.1f}"

    times = " ".join(at(events, seconds / most_s) for events, seconds, _ in runs)
    memory = " ".join(at(events, peak / most_mb) for events, _, peak in runs)
    last_events, last_s, _ = runs[-1]
    marks = "".join(
        f'<text x="{at(events, 0).split(",")[0]}" y="{HEIGHT - MARGIN + 18}" text-anchor="middle">'
        f"{events / 1e6:g} M</text>"
        f'<text x="{at(events, seconds / most_s).split(",")[0]}" '
        f'y="{float(at(events, seconds / most_s).split(",")[1]) - 8:.1f}" text-anchor="middle">{seconds:.1f} s, '
        f"{peak:.0f} MB</text>"
        for events, seconds, peak in runs
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" '
        f'font-size="12"><rect width="100%" height="100%" fill="white"/>'
        f'<text x="{MARGIN}" y="24" font-size="14">Indexing time over events (solid), peak memory of '
        f"{most_mb:.0f} MB full scale (dotted)</text>"
        f'<polyline points="{at(0, 0)} {at(last_events, last_s / most_s)}" stroke="#999" stroke-dasharray="6 4" '
        f'fill="none"/>'
        f'<polyline points="{times}" stroke="#06c" stroke-width="2" fill="none"/>'
        f'<polyline points="{memory}" stroke="#c60" stroke-width="2" stroke-dasharray="2 3" fill="none"/>'
        f'<polyline points="{at(0, 1)} {at(0, 0)} {at(most_events, 0)}" stroke="black" fill="none"/>'
        f"{marks}</svg>\n"
    )
