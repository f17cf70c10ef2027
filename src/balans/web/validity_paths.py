"""Addresses of what people say about readings: marks, edits, dials, changes of meter; events."""

from typing import Final

from django.urls import URLPattern, path

from balans.web import dials, meter, validity
from balans.web.console import events

validity_paths: Final[list[URLPattern]] = [
    path("nodes/<str:code>/events/", events.node_events, name="node-events"),
    path("nodes/<str:code>/dials/", dials.node_dials, name="node-dials"),
    path("points/<str:code>/events/", events.point_events, name="point-events"),
    path("points/<str:code>/dials/", dials.point_dials, name="point-dials"),
    path("points/<str:code>/validity/", validity.validity, name="point-validity"),
    path("points/<str:code>/meter/", meter.meter, name="point-meter"),
    path("dials/<int:reading_id>/photo.jpg", dials.photo, name="dial-photo"),
]
