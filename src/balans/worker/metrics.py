"""The worker's figures for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

RUN_BUCKETS_S = (0.01, 0.05, 0.2, 1.0, 5.0, 30.0, 120.0, 600.0)


class Metrics:
    """Counters and gauges of one worker, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.runs = Counter("worker_runs", "Jobs that ended", ["job", "outcome"], registry=r)
        self.run_s = Histogram(
            "worker_run_seconds",
            "From beginning to end of a job",
            ["job"],
            buckets=RUN_BUCKETS_S,
            registry=r,
        )
        self.last_done = Gauge(
            "worker_last_done_timestamp_seconds", "When a job ended well last", ["job"], registry=r
        )
        self.jobs = Gauge("worker_jobs", "Jobs in the queue", ["state"], registry=r)
        self.rescued = Counter(
            "worker_rescued", "Jobs of workers that were killed, queued again", registry=r
        )
        self.working = Gauge("worker_working", "1 while jobs are being taken", registry=r)
        self.database = Gauge("worker_database", "1 while the database is there", registry=r)
