"""Addresses of disconnecting: the supply of a point, an order, all orders under way."""

from typing import Final

from django.urls import URLPattern, path

from balans.web.console import supply, supply_order, supply_places

supply_paths: Final[list[URLPattern]] = [
    path("points/<str:code>/supply/", supply.point_supply, name="point-supply"),
    path("nodes/<str:code>/supply/", supply_places.node_supply, name="node-supply"),
    path("supply/", supply.open_orders, name="supply-orders"),
    path("supply/<str:code>/", supply_order.supply_order, name="supply-order"),
]
