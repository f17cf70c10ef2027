"""What the sensor of a site says, whatever its kind: a meter, the pulses of one, or a relay.

=======  =====================================  =================================================
sensor   what it tells                          what is taken for the power of the site
=======  =====================================  =================================================
meter    mean power over the step               that
pulse    pulses counted, and when the last came energy between pulses by the time between them; no
                                                more than a pulse over the time without one, no
                                                less than what loads with meters draw
relay    a bit: over its threshold, or not      its threshold, and an excess that is doubled at
                                                every step as long as the bit is set
=======  =====================================  =================================================
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from balans.domain.demand.pulses import Pulses, drawn, pulse, read_power
from balans.domain.demand.relay import RelaySense
from balans.protocols.fields import PhaseWatts
from balans.protocols.module import PowerSample, PulseSample, RelaySample, Sample
from balans.usecases.run_load_control.silence import Heard


class SensorKind(StrEnum):
    """What measures a site."""

    METER = "meter"
    PULSE = "pulse"
    RELAY = "relay"


@dataclass(frozen=True, slots=True)
class Sensor:
    """The sensor of a site: energy of a pulse [Wh], or the threshold of a relay [W]."""

    kind: SensorKind = SensorKind.METER
    wh_per_pulse: float = 1.0
    threshold_w: float = 0.0


METER = Sensor()


@dataclass(frozen=True, slots=True)
class Reading:
    """A sample of any kind. `site_w` is None where power is not known; `over` is a relay's bit.

    `node_w` and `node_phase_w` ("" the site) hold None where a meter has told before and is silent.
    """

    seq: int
    time: float
    step_s: float
    site_w: float | None
    load_w: Mapping[str, float] = field(default_factory=dict)
    reference_w: float | None = None
    node_w: Mapping[str, float | None] = field(default_factory=dict)
    node_phase_w: Mapping[str, PhaseWatts | None] = field(default_factory=dict)
    over: bool | None = None

    @property
    def phase_w(self) -> PhaseWatts:
        """The power of the site by phase; empty where it is not told."""
        return self.node_phase_w.get("") or ()

    @property
    def usable(self) -> bool:
        """Whether something is known of the site's power."""
        return self.site_w is not None or self.over is not None


@dataclass(slots=True)
class Sensed:
    """What is remembered of a sensor from sample to sample, and over a restart.

    Parameters
    ----------
    relay, pulses
        See `balans.domain.demand`.
    heard
        Which nodes and phases have told.
    seq, count
        Of the last pulse sample; None before the first.
    first_s
        When counting began.
    """

    relay: RelaySense = field(default_factory=RelaySense)
    pulses: Pulses | None = None
    heard: Heard = field(default_factory=Heard)
    seq: int = 0
    count: int | None = None
    first_s: float = 0.0

    def read(self, sensor: Sensor, sample: Sample) -> Reading | None:
        """Return what `sample` tells; None when it is not of the sensor that is there."""
        match sample:
            case PowerSample() if sensor.kind is SensorKind.METER:
                return Reading(
                    sample.seq,
                    sample.time,
                    sample.step_s,
                    sample.site_w,
                    sample.load_w,
                    sample.reference_w,
                    self.heard.node_w(sample),
                    self.heard.phase_w(sample),
                )
            case PulseSample() if sensor.kind is SensorKind.PULSE:
                return replace(_bare(sample), site_w=self._counted_w(sensor, sample))
            case RelaySample() if sensor.kind is SensorKind.RELAY:
                return replace(_bare(sample), over=sample.over)
            case _:
                return None

    def _counted_w(self, sensor: Sensor, sample: PulseSample) -> float | None:
        """Return the power by the pulses so far, None while or when it is not known [W]."""
        load_w = sum(sample.load_w.values())
        pulses, before = self.pulses, self.count
        is_new = before is None or sample.count < before or sample.seq <= self.seq
        if is_new or before is None or pulses is None or pulses.wh != sensor.wh_per_pulse:
            pulses = self._begin(sensor, sample)
        elif sample.count > before:
            last_s = sample.time if sample.last is None else min(sample.last, sample.time)
            pulses = pulse(pulses, last_s, sample.count - before)
        if pulses.anchor_s is None or pulses.last_s <= sample.time - sample.step_s:
            pulses = drawn(pulses, load_w * sample.step_s / 3600)
        self.seq, self.count = sample.seq, sample.count
        self.pulses, power = read_power(pulses, sample.time)
        power_w = self._bound_w(sample.time) if power.power_w is None else power.power_w
        return None if power_w is None else max(power_w, load_w)

    def _begin(self, sensor: Sensor, sample: PulseSample) -> Pulses:
        """Return the state with which counting begins anew; how far pulses are apart is kept."""
        pulses, self.first_s = Pulses(sensor.wh_per_pulse), sample.time
        if self.pulses is not None and self.pulses.wh == sensor.wh_per_pulse:
            pulses = replace(pulses, spacing=self.pulses.spacing, unseen_wh=self.pulses.unseen_wh)
        last_s = sample.last
        if last_s is not None and sample.time - last_s <= pulses.stale_s(sample.time):
            pulses = pulse(pulses, min(last_s, sample.time))
        return pulses

    def _bound_w(self, now_s: float) -> float | None:
        """Return what it can be at most before two pulses have come [W]."""
        if self.pulses is None or self.pulses.power_w is not None or self.pulses.is_refuted:
            return None  # a meter that gave pulses, or should have, and is silent for too long
        since_s = max(self.first_s, self.pulses.last_s if self.pulses.anchor_s else 0.0)
        quiet_s = now_s - since_s
        return (
            self.pulses.wh * 3600 / quiet_s if 0 < quiet_s <= self.pulses.stale_s(now_s) else None
        )

    def rebase(self, back_s: float) -> None:
        """Follow a clock that was set back by `back_s`: pulses are counted anew."""
        self.count = None
        if self.pulses is not None:
            spacing = self.pulses.spacing.earlier(back_s)
            self.pulses = replace(self.pulses, spacing=spacing)
        relay = self.relay
        self.relay = replace(
            relay,
            clear_s=None if relay.clear_s is None else relay.clear_s - back_s,
            probe_s=None if relay.probe_s is None else relay.probe_s - back_s,
        )


def _bare(sample: PulseSample | RelaySample) -> Reading:
    return Reading(
        sample.seq,
        sample.time,
        sample.step_s,
        None,
        sample.load_w,
        reference_w=sample.reference_w,
    )
