"""What a simulated meter shows: a pure function of market time, so that a restarted one goes on exactly."""

from dataclasses import dataclass

from api.devnet.meter_spec import MeterSpec, Spec
from api.devnet.series_record import MICRO, Series
from contracts.typed_data import Reading


@dataclass(frozen=True, slots=True)
class SimulatedMeter:
    """A home's meter counts what its series uses as import, a plant's what its series produces as export."""

    spec: MeterSpec
    series: Series
    epoch_s: int
    is_dead: bool = False

    @classmethod
    def of(cls, spec: MeterSpec, whole: Spec, homes: list[Series], plants: list[Series]) -> "SimulatedMeter":
        series = (homes if spec.kind == "home" else plants)[spec.series]
        return cls(spec, series, whole.epoch_s, spec.meter_id in whole.dead)

    def reading(self, time_s: int) -> Reading:
        """Registers and power at a market time. The counter is the time itself: it never falls and never repeats."""
        moved_wh = self.series.energy_between(self.epoch_s, time_s) // MICRO
        power_w = self.series.power_w(time_s)
        imported, exported = self.spec.initial_import_wh, self.spec.initial_export_wh
        if self.spec.kind == "home":
            return Reading(self.spec.meter_id, time_s, time_s, imported + moved_wh, exported, power_w)
        return Reading(self.spec.meter_id, time_s, time_s, imported, exported + moved_wh, -power_w)
