"""The one broadcast of this process."""

from functools import cache

from django.conf import settings

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


def stop_streams() -> None:
    """End all open streams, so that the process can end; call it in the loop of the server."""
    broadcast().stop()
