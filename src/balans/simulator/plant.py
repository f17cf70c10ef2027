"""Physics of the building: loads that make up for what they missed, and what its meters count.

Powers are whole watts over a minute, so energies are whole watt-minutes and every sum is exact.

A load that is off draws nothing; what it wanted to draw is its *backlog*. When it is on again it
draws what it wants now and as much of its backlog as its rated power leaves room for:

    drawn = on · min(rated, wanted + backlog),  backlog' = backlog + wanted − drawn

A load that is a plant (`LoadSpec.plant`) draws what its plant draws, see `driven`.

A flat whose supply is interrupted wants and draws nothing of it: `supplied` is by electricity,
water and gas, and flat.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from balans.core.words import LoadClass, PointRole, Resource
from balans.simulator.arrays import Flags, Litres, Registers, Snapshot, Watts
from balans.simulator.draws import generate
from balans.simulator.driven import Driven
from balans.simulator.recording import DAY_MIN, WEEK_MIN, Recording
from balans.simulator.spec import ChannelSpec, TownSpec

WATT_MIN_PER_WH = 60


@dataclass(frozen=True, slots=True)
class Profile:
    """What everyone wants at each minute of the week, arrays (minutes, flats or loads).

    ``wanted_w`` is by load, ``rest_w`` what a flat draws beside its loads, ``water_l`` and
    ``gas_l`` are by flat.
    """

    wanted_w: Watts
    rest_w: Watts
    water_l: Litres
    gas_l: Litres

    @classmethod
    def of(cls, spec: TownSpec, recording: Recording) -> "Profile":
        """Return the profile of `spec`: every flat plays its recorded week."""
        weeks = [flat.week for flat in spec.flats]
        week_of = {flat.code: flat.week for flat in spec.flats}
        column = {
            "heat": recording.heat_w,
            "wash": recording.laundry_w,
            "kitchen": recording.kitchen_w,
        }
        wanted = np.array([column[load.kind][week_of[load.flat]] for load in spec.loads])
        red = recording.rest_w[weeks] + recording.kitchen_w[weeks]
        generated = generate(red, spec.seed)
        by_minute = (wanted, recording.rest_w[weeks], generated.water_l, generated.gas_l)
        return cls(*(np.ascontiguousarray(array.T) for array in by_minute))


class Minute(NamedTuple):
    """Mean powers of one minute [W]: of the site, with what it would have been, by load and flat.

    `riser_phase_w` are those of the nodes right above flats, in the order of `Plant.risers`.
    """

    site_w: int
    reference_w: int
    red_w: int
    phase_w: tuple[int, int, int]
    load_w: Watts
    flat_w: Watts
    riser_phase_w: Watts


class Plant:
    """State of all loads and meters of the building.

    Parameters
    ----------
    spec, profile
        The building, and what it wants; minute 0 of the profile is the start of the town, a
        Monday 00:00 local time.
    """

    def __init__(self, spec: TownSpec, profile: Profile) -> None:
        self.spec = spec
        self.minute = 0
        self.red_interruptions = 0
        self._profile = profile
        self.driven = Driven(spec) if any(load.plant for load in spec.loads) else None
        loads, flats = spec.loads, {flat.code: i for i, flat in enumerate(spec.flats)}
        self.rated_w = np.array([load.rated_w for load in loads], dtype=np.int64)
        self.backlog_wmin = np.zeros(len(loads), dtype=np.int64)
        self.late_wmin = np.zeros(len(loads), dtype=np.int64)
        self._overdue_wmin = np.zeros(len(loads), dtype=np.int64)
        self._deadline = np.array([_minute_of_day(load.deadline) for load in loads])
        self._red = np.array([load.load_class is LoadClass.RED for load in loads])
        self._flat_of_load = np.zeros((len(flats), len(loads)), dtype=np.int64)
        for index, load in enumerate(loads):
            self._flat_of_load[flats[load.flat], index] = 1
        self._red_cut = np.zeros(len(loads), dtype=np.bool_)
        self.supplied: Flags = np.ones((3, len(flats)), dtype=np.bool_)
        phases = ["L1", "L2", "L3"]
        self._phase_of_flat = np.array(
            [[flat.phase.value == phase for flat in spec.flats] for phase in phases], dtype=np.int64
        )
        parents = {node.code: node.parent for node in spec.nodes}
        above = [parents.get(flat.code) for flat in spec.flats]
        sites = {site.code for site in spec.sites}
        self.risers = tuple(dict.fromkeys(code for code in above if code and code not in sites))
        self._riser_of_flat = np.array(
            [[code == riser for code in above] for riser in self.risers], dtype=np.int64
        ).reshape(len(self.risers), len(above))
        self._counted = np.zeros(3 * len(flats) + len(loads) + 1, dtype=np.int64)

    def step(self, on: Flags) -> Minute:
        """Let a minute pass with the contacts of the loads at `on`."""
        at = self.minute % WEEK_MIN
        wanted, rest = self._profile.wanted_w[at], self._profile.rest_w[at]
        fed = (self._flat_of_load.T @ self.supplied[0]).astype(np.bool_)
        on, wanted, rest = on & fed, wanted * fed, rest * self.supplied[0]
        drawn = np.where(on, np.minimum(self.backlog_wmin + wanted, self.rated_w), 0)
        if self.driven:
            rows = self.driven.at
            wanted[rows], drawn[rows] = self.driven.step(on[rows])
            wanted[rows] *= fed[rows]
        self.backlog_wmin = np.maximum(self.backlog_wmin + wanted - drawn, 0)
        self._note_red_cut(self.backlog_wmin > 0)
        flat_w = rest + self._flat_of_load @ drawn
        site_w = int(flat_w.sum())
        self._count(flat_w, drawn, at, site_w)
        self.minute += 1
        self._note_late()
        rest_w = int(rest.sum())
        l1, l2, l3 = (self._phase_of_flat @ flat_w).tolist()
        by_phase_w = self._phase_of_flat * flat_w
        return Minute(
            site_w=site_w,
            reference_w=rest_w + int(wanted.sum()),
            red_w=rest_w + int(wanted[self._red].sum()),
            phase_w=(l1, l2, l3),
            load_w=drawn,
            flat_w=flat_w,
            riser_phase_w=self._riser_of_flat @ by_phase_w.T,
        )

    def _count(self, flat_w: Watts, drawn: Watts, at: int, site_w: int) -> None:
        water, gas = self._profile.water_l[at], self._profile.gas_l[at]
        if not self.supplied[1:].all():
            water, gas = water * self.supplied[1], gas * self.supplied[2]
        self._counted += np.concatenate((flat_w, water, gas, drawn, [site_w]))

    def _note_red_cut(self, short: Flags) -> None:
        """Count each time that a red load begins to draw less than it wants."""
        cut = short & self._red
        self.red_interruptions += int((cut & ~self._red_cut).sum())
        self._red_cut = cut

    def _note_late(self) -> None:
        """At its deadline, what a load still owes is late; each watt-minute once."""
        np.minimum(self._overdue_wmin, self.backlog_wmin, out=self._overdue_wmin)
        now = self._deadline == self.minute % DAY_MIN
        if now.any():
            owed = np.where(now, self.backlog_wmin, self._overdue_wmin)
            self.late_wmin += owed - self._overdue_wmin
            self._overdue_wmin = owed

    def cut(self, channels: Iterable[ChannelSpec]) -> None:
        """Let these, and no others, be cut off: the flat of each, from what it counts."""
        flats = [flat.code for flat in self.spec.flats]
        rows = {Resource.ELECTRICITY: 0, Resource.COLD_WATER: 1, Resource.GAS: 2}
        self.supplied[:] = True
        for channel in channels:
            if channel.resource in rows and channel.node in flats:
                self.supplied[rows[channel.resource], flats.index(channel.node)] = False

    def registers(self) -> Registers:
        """Return the register of every channel now: whole pulses, what is left over waits."""
        source, divisor, start = self._channels
        return start + self._counted[source] // divisor

    @cached_property
    def _channels(self) -> tuple[Registers, ...]:
        """By channel: index of what it counts, that quantity per pulse, register at the start."""
        rows = [
            (*self._source(channel), channel.start_register) for _, channel in self.spec.channels
        ]
        return tuple(np.array(rows, dtype=np.int64).T)

    def _source(self, channel: ChannelSpec) -> tuple[int, int]:
        spec, flats = self.spec, len(self.spec.flats)
        electric_pulse = WATT_MIN_PER_WH * channel.pulse_weight
        if channel.role is PointRole.INFLOW:
            return 3 * flats + len(spec.loads), electric_pulse
        if channel.load:
            names = [load.name for load in spec.loads]
            return 3 * flats + names.index(channel.load), electric_pulse
        flat = [flat.code for flat in spec.flats].index(channel.node)
        if channel.resource is Resource.ELECTRICITY:
            return flat, electric_pulse
        block = 1 if channel.resource is Resource.COLD_WATER else 2
        return block * flats + flat, channel.pulse_weight

    def snapshot(self) -> Snapshot:
        """Return the state as arrays."""
        return {
            **(self.driven.snapshot() if self.driven else {}),
            "minute": np.array(self.minute),
            "backlog_wmin": self.backlog_wmin,
            "late_wmin": self.late_wmin,
            "overdue_wmin": self._overdue_wmin,
            "counted": self._counted,
        }

    def restore(self, state: Snapshot) -> None:
        """Take over a state from `snapshot`."""
        if self.driven:
            self.driven.restore(state)
        self.minute = int(state["minute"])
        self.backlog_wmin = state["backlog_wmin"].astype(np.int64)
        self.late_wmin = state["late_wmin"].astype(np.int64)
        self._overdue_wmin = state["overdue_wmin"].astype(np.int64)
        self._counted = state["counted"].astype(np.int64)


def _minute_of_day(clock_time: str | None) -> int:
    if clock_time is None:
        return -1
    hours, minutes = clock_time.split(":")
    return int(hours) * 60 + int(minutes)
