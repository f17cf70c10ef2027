"""Addresses of demand response: programmes, events, and what a place is asked."""

from typing import Final

from django.urls import URLPattern, path

from balans.web.cabinet import events as own_events
from balans.web.console import place_field, programmes, response, response_event, triggers
from balans.web.live import event_stream

response_paths: Final[list[URLPattern]] = [
    path("response/", response.events, name="response"),
    path("response/new/", response.new_event, name="response-new"),
    path("response/places/", place_field.places, name="response-places"),
    path("response/triggers/", triggers.triggers, name="response-triggers"),
    path("response/triggers/new/", triggers.new_trigger, name="response-trigger-new"),
    path("response/triggers/<str:code>/", triggers.trigger, name="response-trigger"),
    path("response/triggers/<str:code>/edit/", triggers.edit_trigger, name="response-trigger-edit"),
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
