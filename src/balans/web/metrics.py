"""The figures of this process: requests answered, how fast, and open streams."""

import time

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
REQUESTS = Counter(
    "balans_http_requests_total",
    "Requests answered.",
    ["method", "view", "status"],
    registry=REGISTRY,
)
SECONDS = Histogram(
    "balans_http_request_seconds",
    "Time until the answer begins.",
    ["view"],
    registry=REGISTRY,
)
STREAMS = Gauge("balans_live_streams", "Open live streams.", registry=REGISTRY)
LISTENING = Gauge(
    "balans_live_listening", "1 while the database's notifications are heard.", registry=REGISTRY
)
METHODS = frozenset({"GET", "HEAD", "POST"})


class MetricsMiddleware(MiddlewareMixin):
    """Counts requests by view, so that addresses with codes in them do not multiply the series."""

    def process_request(self, request: HttpRequest) -> None:
        """Start the clock."""
        vars(request)["balans_began_s"] = time.perf_counter()

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Count the answer."""
        match = getattr(request, "resolver_match", None)
        view = (match.view_name if match else None) or "none"
        method = request.method if request.method in METHODS else "other"
        REQUESTS.labels(method, view, str(response.status_code)).inc()
        began_s = vars(request).get("balans_began_s")
        if began_s is not None:
            SECONDS.labels(view).observe(time.perf_counter() - began_s)
        return response
