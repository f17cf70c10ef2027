"""Load control of one site: what comes in from sensors, actuators and people, and what goes out.

The caller owns sockets, files and the clock. It passes every message to `LoadControl` with the
time, calls `LoadControl.tick` about once a second, carries out what is returned in the order
given, and keeps `LoadControl.memory` for the next start.

Rules beyond those of `balans.domain.demand`
--------------------------------------------
- *Unknown is untouched.* After a start, and after a switching that was never confirmed, a load
  is left alone until its actuator has told its state. Timers go on from what the actuator says.
- *A lost sensor counts as overload*: no sample for three steps. Timers and minimum on times of
  the loads hold all the same.
- *Every shed ends by the actuator's own timer too*: yellow after its longest off time, green at
  its deadline or after 12 hours, so that a dead gateway keeps nothing off.
- *An operator's "off"* is a wish within the rules: red never, yellow no longer than its timer,
  and not before the load has been on for its minimum time (the command waits for that).
- *An operator's "on"* is carried out when what comes back fits under the limit; it waits for that.
  A newer command for a load ends those that wait.
- *An order that failed* leaves the load as it was, and the load alone for a while (`faults`).
- *What a contact does by itself* is reported, also when it was done while nobody was listening.
- *Consent.* A load whose owner took back consent, or that is paused, comes back at once and is
  left alone, whatever the limits say (`consents`).
- *Every switching is explained*: the limit that bound, the effect expected, and the effect that
  was measured (`effects`).
- *What the operator calls for* is a limit at a node, by the server's time, whoever sends it must
  sign, and while the server is not heard a fallback limit holds (`called`, `called_gate`).
- *A clock that is set back* takes all timers and orders with it: what was left is left.
"""

from balans.usecases.run_load_control.called import FALLBACK, Calls, limit_name
from balans.usecases.run_load_control.called_gate import Gate, RefusedError, Why
from balans.usecases.run_load_control.called_memory import CalledMemory
from balans.usecases.run_load_control.called_time import QUIET_S, Moment, ServerClock
from balans.usecases.run_load_control.consents import OWN, LeftAlone, OwnSettings
from balans.usecases.run_load_control.control import LoadControl
from balans.usecases.run_load_control.desk import Output
from balans.usecases.run_load_control.limits import doubts_of, limits_of
from balans.usecases.run_load_control.memory import ControlledSite, Memory
from balans.usecases.run_load_control.orders import CONTROL, DEVICE, Detail, Order
from balans.usecases.run_load_control.past import Past
from balans.usecases.run_load_control.planning import NoPlan, PlanRequest
from balans.usecases.run_load_control.sensing import METER, Sensor, SensorKind

__all__ = [
    "CONTROL",
    "DEVICE",
    "FALLBACK",
    "METER",
    "OWN",
    "QUIET_S",
    "CalledMemory",
    "Calls",
    "ControlledSite",
    "Detail",
    "Gate",
    "LeftAlone",
    "LoadControl",
    "Memory",
    "Moment",
    "NoPlan",
    "Order",
    "Output",
    "OwnSettings",
    "Past",
    "PlanRequest",
    "RefusedError",
    "Sensor",
    "SensorKind",
    "ServerClock",
    "Why",
    "doubts_of",
    "limit_name",
    "limits_of",
]
