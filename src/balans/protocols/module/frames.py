"""Messages on the bus of a site, and the topics they travel on. Times are Unix seconds (UTC)."""

from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta

from balans.core.errors import BalansError
from balans.protocols.codec import Codec
from balans.protocols.fields import (
    NAME,
    DaySeconds,
    Name,
    PhaseWatts,
    Sequence,
    Serial,
    StepSeconds,
    Text,
    Unix,
    Watt,
    WattHours,
)
from balans.protocols.module.requests import (
    Announce,
    Answer,
    Ask,
    HoursAbsent,
    HoursWanted,
    Known,
)
from balans.protocols.module.supply import SupplyQuery, SupplyState, SupplySwitch

VERSION = 1


class ModuleFrameError(BalansError):
    """The bytes or the topic are no message of the site bus."""

    code = "module_frame"


class PowerSample(msgspec.Struct, frozen=True, tag="power"):
    """Mean power of the sensors of a site over the `step_s` seconds before `time`.

    May be lost; never touches a register. `seq` counts samples since the sender started.
    `site_w` is what the inflow meter shows; `load_w` the sub-metered loads by name;
    `phase_w` the inflow by phase (L1, L2, L3), empty where the meter does not tell;
    `reference_w` what the site would draw without control, known only in a replay.
    `node_w` and `node_phase_w` are the same for nodes of the site's tree that have a meter.
    """

    seq: Sequence
    time: Unix
    step_s: StepSeconds
    site_w: Watt
    load_w: dict[Name, Watt] = {}
    phase_w: PhaseWatts = ()
    reference_w: Watt | None = None
    node_w: dict[Name, Watt] = {}
    node_phase_w: dict[Name, PhaseWatts] = {}


class PulseSample(msgspec.Struct, frozen=True, tag="pulse"):
    """What an ordinary meter's pulse output has counted up to `time`. May be lost.

    `count` is the sum of all pulses since the sender started (then `seq` begins anew too);
    `last` the time of the last of them, which makes the rate exact where pulses are few.
    `load_w` holds the sub-metered loads, as in `PowerSample`.
    """

    seq: Sequence
    time: Unix
    step_s: StepSeconds
    count: Annotated[int, Meta(ge=0, le=2**62)]
    last: Unix | None = None
    load_w: dict[Name, Watt] = {}
    reference_w: Watt | None = None


class RelaySample(msgspec.Struct, frozen=True, tag="relay"):
    """What an over-current relay says at `time`: `over` its threshold, or not. May be lost."""

    seq: Sequence
    time: Unix
    step_s: StepSeconds
    over: bool
    load_w: dict[Name, Watt] = {}
    reference_w: Watt | None = None


class ModuleReport(msgspec.Struct, frozen=True, tag="report"):
    """Hourly registers of one module that no hub has confirmed yet, as packed readings."""

    serial: Serial
    readings: bytes


class ReportReceived(msgspec.Struct, frozen=True, tag="received"):
    """The hub holds these readings in its journal: packed readings, as they were reported."""

    serial: Serial
    readings: bytes


class Switch(msgspec.Struct, frozen=True, tag="switch"):
    """Switch a load, or set its power. Executed at most once by `id`, never after `expires`.

    A load switched off, or held to a set-point, comes back by the actuator's own timer after
    `max_off_s`, whatever becomes of the sender; 0 (when a load is let free) means no timer.
    """

    id: Name
    load: Name
    on: bool
    issued: Unix
    expires: Unix
    max_off_s: DaySeconds
    author: Text
    reason: Text
    setpoint_w: Watt | None = None


class ActuatorState(msgspec.Struct, frozen=True, tag="state"):
    """Feedback of an actuator: its contact now, since when, and by which command.

    `command` is the last command obeyed, empty after the actuator's own timer switched.
    `refused` says why a command was not obeyed, empty otherwise.
    """

    load: Name
    on: bool
    since: Unix
    time: Unix
    command: Text = ""
    refused: Text = ""
    setpoint_w: Watt | None = None


class DeviceState(msgspec.Struct, frozen=True, tag="device"):
    """What an appliance tells of itself, for planning: a charger, an inverter, a pump.

    `soc_wh` is the energy in a battery; `energy_wh` what a car or a tank still wants by `until`
    (the departure, or the latest end). Null: it does not tell. It may be lost.
    """

    load: Name
    time: Unix
    soc_wh: WattHours | None = None
    energy_wh: WattHours | None = None
    until: Unix | None = None


class Query(msgspec.Struct, frozen=True, tag="query"):
    """Ask every actuator of the site for its state; sent when a gateway starts."""

    time: Unix


Sample = PowerSample | PulseSample | RelaySample
FromModule = ModuleReport | Announce | Answer | HoursAbsent | SupplyState
ToModule = ReportReceived | Known | Ask | HoursWanted | SupplySwitch | SupplyQuery
Message = Sample | FromModule | ToModule | Switch | ActuatorState | DeviceState | Query
_codec: Codec[msgspec.Struct] = Codec(Message, ModuleFrameError)


def encode(message: Message) -> bytes:
    """Return `message` as bytes."""
    return _codec.encode(message)


def decode(data: bytes) -> Message:
    """Return the message in `data`.

    Raises
    ------
    ModuleFrameError
        For anything that is no message of this version.
    """
    return _codec.decode(data)  # type: ignore[return-value]  # the codec decodes exactly this union


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one site: ``balans/1/site/{site}/…``."""

    site: str

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.site):
            raise ModuleFrameError(f"site name {self.site!r}: use 1-64 of A-Z a-z 0-9 _ . -")

    @property
    def root(self) -> str:
        """Prefix of all topics of the site."""
        return f"balans/{VERSION}/site/{self.site}"

    @property
    def power(self) -> str:
        """Sensor -> hub: `PowerSample`, `PulseSample` or `RelaySample`, QoS 0."""
        return f"{self.root}/power"

    @property
    def query(self) -> str:
        """Gateway -> actuators: `Query`, QoS 1."""
        return f"{self.root}/query"

    def report(self, hub: str) -> str:
        """Modules -> hub: `ModuleReport`, QoS 1."""
        return f"{self.root}/report/{hub}"

    def received(self, hub: str) -> str:
        """Hub -> modules: `ReportReceived`, QoS 1."""
        return f"{self.root}/received/{hub}"

    @property
    def announce(self) -> str:
        """Module -> hubs: `Announce`, QoS 1."""
        return f"{self.root}/announce"

    @property
    def known(self) -> str:
        """Hubs -> modules: `Known`, QoS 1."""
        return f"{self.root}/known"

    def ask(self, hub: str) -> str:
        """Hub -> modules: `Ask` and `HoursWanted`, QoS 1."""
        return f"{self.root}/ask/{hub}"

    def answer(self, hub: str) -> str:
        """Modules -> hub: `Answer` and `HoursAbsent`, QoS 1."""
        return f"{self.root}/answer/{hub}"

    def supply(self, hub: str) -> str:
        """Hub -> modules: `SupplySwitch` and `SupplyQuery`, QoS 1."""
        return f"{self.root}/supply/{hub}"

    def supplied(self, hub: str) -> str:
        """Modules -> hub: `SupplyState`, QoS 1."""
        return f"{self.root}/supplied/{hub}"

    def switch(self, load: str) -> str:
        """Gateway -> actuator: `Switch`, QoS 1."""
        return f"{self.root}/switch/{load}"

    def state(self, load: str) -> str:
        """Actuator -> gateway: `ActuatorState`, QoS 1."""
        return f"{self.root}/state/{load}"

    def device(self, load: str) -> str:
        """Appliance -> gateway: `DeviceState`, QoS 0."""
        return f"{self.root}/device/{load}"

    @property
    def all_devices(self) -> str:
        """Filter for what all appliances of the site tell of themselves."""
        return f"{self.root}/device/+"

    @property
    def all_states(self) -> str:
        """Filter for the states of all actuators of the site."""
        return f"{self.root}/state/+"
