"""Addresses of demand response: programmes, events, and what a place is asked."""

from typing import Final

from django.urls import URLPattern, path

from balans.web.cabinet import events as own_events
from balans.web.console import programmes, response, response_event
from balans.web.live import event_stream

response_paths: Final[list[URLPattern]] = [
    path("response/", response.events, name="response"),
    path("response/new/", response.new_event, name="response-new"),
    path("response/programmes/", programmes.programmes, name="response-programmes"),
    path("response/programmes/new/", programmes.new_programme, name="response-programme-new"),
    path("response/programmes/<str:code>/", programmes.programme, name="response-programme"),
    path(
        "response/programmes/<str:code>/edit/",
        programmes.edit_programme,
        name="response-programme-edit",
    ),
    path("response/events/<str:code>/", response_event.event, name="response-event"),
    path("response/events/<str:code>/stream/", event_stream.event_stream, name="response-stream"),
    path("nodes/<str:code>/response/", own_events.own_events, name="own-events"),
]
