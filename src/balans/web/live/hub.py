"""The broadcasts of this process: of sites, and of events of demand response."""

from functools import cache

from django.conf import settings

from balans.storage import response_reports
from balans.storage.live import CHANNEL
from balans.web.live.broadcast import Broadcast, connection_values
from balans.web.metrics import LISTENING, STREAMS


@cache
def broadcast() -> Broadcast:
    """Return the broadcast, made at its first use."""
    made = Broadcast(connection_values(settings.DATABASES["default"]), CHANNEL)
    STREAMS.set_function(lambda: made.streams)
    LISTENING.set_function(lambda: float(made.connected))
    return made


@cache
def event_broadcast() -> Broadcast:
    """Return the broadcast of events of demand response, made at its first use."""
    return Broadcast(connection_values(settings.DATABASES["default"]), response_reports.CHANNEL)


def stop_streams() -> None:
    """End all open streams, so that the process can end; call it in the loop of the server."""
    broadcast().stop()
    event_broadcast().stop()
