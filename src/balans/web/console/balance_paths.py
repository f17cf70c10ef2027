"""Addresses of balances."""

from typing import Final

from django.urls import URLPattern, path

from balans.web.console import balance_explained, balances

balance_paths: Final[list[URLPattern]] = [
    path("nodes/<str:code>/balance/", balances.node_balances, name="node-balances"),
    path(
        "nodes/<str:code>/balance/<str:resource>/<str:reach>/",
        balances.node_balance,
        name="node-balance",
    ),
    path(
        "nodes/<str:code>/balance/<str:resource>/<str:reach>/explained/",
        balance_explained.node_balance_explained,
        name="node-balance-explained",
    ),
]
