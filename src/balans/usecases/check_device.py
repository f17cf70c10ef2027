"""Try a device definition on its own samples."""

from collections.abc import Mapping
from datetime import UTC, datetime

from balans.core.errors import Finding
from balans.core.hours import time_of
from balans.domain.devices import Decoder, Definition, Device, Format, Outcome, Taken
from balans.domain.metering.words import Quality
from balans.protocols.readings import INPUT_MAX, Flag, Grade, Reading

GRADES = {
    Grade.MEASURED: Quality.MEASURED,
    Grade.ESTIMATED: Quality.ESTIMATED,
    Grade.SUSPECT: Quality.SUSPECT,
}
Key = tuple[str, int]


def check_definition(definition: Definition, decoders: Mapping[Format, Decoder]) -> list[Finding]:
    """Return what is wrong with `definition`, judged by its samples; nothing if all is well.

    Every sample must be used, every channel must be expected at some hour, and what comes out
    must be what is expected, neither less nor more.
    """
    if not definition.samples:
        return [
            Finding(definition.name, "no [[sample]]: expected messages as the device sent them")
        ]
    findings: list[Finding] = []
    device = Device(definition, definition.example, serial=0, decoders=decoders)
    found: dict[Key, Reading] = {}
    for index, sample in enumerate(definition.samples):
        taken = device.take(sample.topic, sample.payload, sample.at_s)
        if taken.outcome is not (Outcome.OTHER if sample.ignored else Outcome.USED):
            findings.append(Finding(f"sample[{index}]", _why(taken, sample.topic)))
        for reading in taken.readings:
            name = device.channels[INPUT_MAX * reading.module + reading.input - 1]
            found[name, reading.hour] = reading
    return [*findings, *_compared(definition, found)]


def _why(taken: Taken, topic: str) -> str:
    if taken.outcome is Outcome.USED:
        return "it holds a counter, though it is ignored"
    return "; ".join(taken.findings) or f"no [[message]] means it (topic {topic})"


def _compared(definition: Definition, found: Mapping[Key, Reading]) -> list[Finding]:
    findings: list[Finding] = []
    expected = {(one.channel, one.hour): one for one in definition.expected}
    for (channel, hour), one in expected.items():
        reading = found.get((channel, hour))
        where = f"{channel} at {_shown(hour)}"
        if reading is None:
            findings.append(Finding(where, f"no register came out; expected {one.register}"))
        elif (reading.register, quality_of(reading)) != (one.register, one.quality):
            findings.append(
                Finding(
                    where,
                    f"{reading.register} {quality_of(reading)} came out; "
                    f"expected {one.register} {one.quality}",
                )
            )
    for (channel, hour), reading in found.items():
        if (channel, hour) not in expected:
            what = f"{reading.register} {quality_of(reading)} came out, which is not expected"
            findings.append(Finding(f"{channel} at {_shown(hour)}", what))
    told = {one.channel for one in definition.expected}
    return findings + [
        Finding(rule.name, "no [[expected]] of this channel")
        for rule in definition.channels
        if rule.name not in told
    ]


def quality_of(reading: Reading) -> str:
    """Return how good a reading is, as it is told."""
    doubted = reading.flags & ~(Flag.LOW_BATTERY | Flag.CLOCK_STEP)
    return Quality.SUSPECT if doubted else GRADES[Grade(reading.grade)]


def _shown(hour: int) -> str:
    return datetime.isoformat(time_of(hour).astimezone(UTC)).replace("+00:00", "Z")
