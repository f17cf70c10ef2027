"""The head-end's figures for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

STORE_BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0, 10.0)


class Metrics:
    """Counters and gauges of one head-end, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.batches = Counter("headend_batches", "Batches stored and acknowledged", registry=r)
        self.entries = Counter("headend_entries", "Entries in these batches", registry=r)
        self.hellos = Counter("headend_hellos", "Hubs that introduced themselves", registry=r)
        self.overflow = Counter(
            "headend_overflow", "Messages dropped because too many waited; hubs repeat", registry=r
        )
        self.dropped = Counter(
            "headend_dropped_messages", "Messages that made no sense here", registry=r
        )
        self.store_s = Histogram(
            "headend_store_seconds",
            "From taking a message up to COMMIT",
            buckets=STORE_BUCKETS_S,
            registry=r,
        )
        self.waiting = Gauge("headend_waiting", "Messages that wait to be stored", registry=r)
        self.statuses = Counter("headend_statuses", "Live pictures kept", registry=r)
        self.plans = Counter("headend_plans", "Plans kept", registry=r)
        self.readings = Counter("headend_readings", "Registers that were new", registry=r)
        self.refused = Counter(
            "headend_refused_batches",
            "Batches put aside since the database refuses them; tried again every day",
            registry=r,
        )
        self.flush_s = Histogram(
            "headend_flush_seconds",
            "From the inbox into the tables",
            buckets=STORE_BUCKETS_S,
            registry=r,
        )
        self.commands = Counter("headend_commands", "Commands handed to the broker", registry=r)
        self.expired = Counter("headend_commands_expired", "Commands given up", registry=r)
        self.answers = Counter(
            "headend_answers", "Answers to requests to read now", ["what"], registry=r
        )
        self.supplies = Counter(
            "headend_supply_orders", "Orders to whole supplies released", registry=r
        )
        self.calls = Counter(
            "headend_calls", "Messages of calls for reduction handed to the broker", registry=r
        )
        self.targets = Counter(
            "headend_call_targets", "Places called on for the first time", registry=r
        )
        self.beats = Counter("headend_beats", "Beats handed to the broker", registry=r)
        self.wanted = Counter("headend_wanted", "Channels asked for missing hours", registry=r)
        self.connected = Gauge("headend_connected", "1 while the broker is there", registry=r)
        self.database = Gauge("headend_database", "1 while the database is there", registry=r)
