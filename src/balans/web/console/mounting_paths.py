"""The addresses of mounting: what was found, prepared, is mounted, replaced, moved and removed."""

from django.urls import path

from balans.web.console import devices, found, hubs, modules, mount, prepared

mounting_paths = [
    path("found/", found.found, name="found"),
    path("found/<str:code>/", found.accept, name="found-accept"),
    path("prepared/", prepared.prepared, name="prepared"),
    path("prepared/labels/", prepared.labels, name="labels"),
    path("mount/", mount.areas, name="mounting"),
    path("mount/<str:code>/", mount.mount, name="mount"),
    path("mount/<str:code>/test/", mount.test, name="mount-test"),
    path("modules/<str:code>/", modules.module, name="module"),
    path("nodes/<str:code>/devices/", devices.devices, name="devices"),
    path("claim/", hubs.claim, name="claim"),
    path("hubs/<str:code>/", hubs.hub, name="hub"),
]
