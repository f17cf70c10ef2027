"""Addresses of balances."""

from typing import Final

from django.urls import URLPattern, path

from balans.web.console import balance_explained, balance_groups, balances

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
    path("nodes/<str:code>/balance-groups/", balance_groups.node_groups, name="balance-groups"),
    path("balances/<str:code>/members/", balance_groups.members, name="balance-members"),
    path("balances/<str:code>/<str:reach>/", balance_groups.group_balance, name="balance"),
    path(
        "balances/<str:code>/<str:reach>/explained/",
        balance_groups.group_balance_explained,
        name="balance-explained",
    ),
]
