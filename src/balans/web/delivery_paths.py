"""Addresses of how readings come: the proof of completeness, and reading now."""

from typing import Final

from django.urls import URLPattern, path

from balans.web import delivery, reading_now

delivery_paths: Final[list[URLPattern]] = [
    path("points/<str:code>/delivery/", delivery.delivery, name="point-delivery"),
    path("points/<str:code>/read/", reading_now.read_now, name="point-read"),
]
