"""Figures of the devices for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class DeviceMetrics:
    """What the devices of a site say, by device."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.messages = Counter(
            "gateway_device_messages",
            "Messages of devices: used, other, refused, flood",
            ["device", "outcome"],
            registry=registry,
        )
        self.findings = Counter(
            "gateway_device_findings",
            "Wrong values, counters that went back, clocks that were set",
            ["device"],
            registry=registry,
        )
        self.readings = Counter(
            "gateway_device_readings", "Registers at full hours", ["device"], registry=registry
        )
        self.heard = Gauge(
            "gateway_device_heard_seconds",
            "When a counter was told last, as Unix time",
            ["device"],
            registry=registry,
        )
