"""The gateway's figures for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

DECISION_BUCKETS_S = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.2)
PLAN_BUCKETS_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0)
FSYNC_BUCKETS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.2, 1.0)


class Metrics:
    """Counters and gauges of one gateway, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.reports = Counter("gateway_reports", "Module reports journalled", registry=r)
        self.readings = Counter("gateway_readings", "Readings journalled", registry=r)
        self.dropped = Counter(
            "gateway_dropped_messages", "Messages that made no sense here", ["link"], registry=r
        )
        self.overflow = Counter(
            "gateway_overflow", "Inputs dropped because too many waited", ["kind"], registry=r
        )
        self.dropped_reports = Counter(
            "gateway_dropped_reports", "Command reports that no disk took in time", registry=r
        )
        self.append_s = Histogram(
            "gateway_journal_append_seconds",
            "Time to make entries durable",
            buckets=FSYNC_BUCKETS_S,
            registry=r,
        )
        self.refused_appends = Counter(
            "gateway_journal_refused", "Appends the disk refused", registry=r
        )
        self.announcements = Counter(
            "gateway_announcements", "Modules that announced themselves, journalled", registry=r
        )
        self.asked = Counter("gateway_asked", "Questions to modules", ["what"], registry=r)
        self.supplies = Counter(
            "gateway_supply_reports", "What is told of whole supplies", ["outcome"], registry=r
        )
        self.foreign_acks = Counter(
            "gateway_foreign_acks",
            "Acknowledgements of another journal of this hub's code",
            registry=r,
        )
        self.waiting = Gauge(
            "gateway_journal_unacknowledged", "Entries the head-end has not settled", registry=r
        )
        self.journal_bytes = Gauge("gateway_journal_bytes", "Journal on disk", registry=r)
        self.connected = Gauge("gateway_connected", "1 while connected", ["link"], registry=r)
        self.decision_s = Histogram(
            "gateway_decision_seconds",
            "From a power sample to what is to be done",
            buckets=DECISION_BUCKETS_S,
            registry=r,
        )
        self.switches = Counter("gateway_switches", "Switchings sent", ["on"], registry=r)
        self.samples = Counter("gateway_samples", "Power samples taken", registry=r)
        self.dropped_samples = Gauge(
            "gateway_dropped_samples", "Power samples of another time", registry=r
        )
        self.plan_s = Histogram(
            "gateway_plan_seconds",
            "From asking the planner to its answer",
            buckets=PLAN_BUCKETS_S,
            registry=r,
        )
        self.plans = Counter("gateway_plans", "Plans asked for, by state", ["state"], registry=r)
        self.refused = Counter(
            "gateway_refused_messages",
            "Messages of the server that were not obeyed",
            ["reason"],
            registry=r,
        )
        self.called = Gauge("gateway_called", "Places of events that are held now", registry=r)
        self.fallback = Gauge(
            "gateway_fallback", "1 while the server is not heard and the fallback holds", registry=r
        )
        self.sensor_ok = Gauge("gateway_sensor_ok", "1 while the power sensor is heard", registry=r)
