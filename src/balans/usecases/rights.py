"""Roles and what each may do, and what a key of a program is good for: the one table of rights.

`storage.access` enforces it.
"""

from collections.abc import Iterable
from enum import StrEnum


class Role(StrEnum):
    """What a person is on a subtree."""

    OPERATOR = "operator"
    CONSUMER = "consumer"
    MANAGER = "manager"
    INSTALLER = "installer"
    DISPATCHER = "dispatcher"


class Right(StrEnum):
    """What can be done at a node."""

    VIEW = "view"  # that it exists, its name and place
    READINGS = "readings"  # registers and profiles
    REPORT = "report"  # hand in what a dial showed
    JUDGE = "judge"  # mark points as incorrect, edit registers, accept what was handed in
    LIVE = "live"  # present power, limits and loads
    AUDIT = "audit"  # commands and who gave them
    CONTROL = "control"  # switch a load
    CONTROL_UNRELEASED = "control_unreleased"  # … that its owner did not release to others
    LIMITS = "limits"  # set a limit
    CONSENT = "consent"  # release own loads to control, pause it, set an own stricter limit
    RESPONSE = "response"  # keep programmes of demand response, call and cancel their events
    APPROVE = "approve"  # be the second person that a big event needs
    SUPPLY = "supply"  # disconnect and reconnect a whole metering point, or be the second person
    REGISTRY = "registry"  # mount, move and describe
    ACCESS = "access"  # give and take grants


RIGHTS: dict[Role, frozenset[Right]] = {
    Role.OPERATOR: frozenset(Right) - {Right.CONTROL_UNRELEASED, Right.CONSENT, Right.SUPPLY},
    Role.CONSUMER: frozenset(Right)
    - {Right.REGISTRY, Right.ACCESS, Right.JUDGE, Right.RESPONSE, Right.APPROVE, Right.SUPPLY},
    Role.MANAGER: frozenset({Right.VIEW, Right.READINGS, Right.LIVE, Right.AUDIT}),
    Role.INSTALLER: frozenset({Right.VIEW, Right.REGISTRY, Right.REPORT}),
    Role.DISPATCHER: frozenset({Right.VIEW, Right.READINGS, Right.LIVE, Right.AUDIT, Right.SUPPLY}),
}
"""What is not listed is denied."""


class Scope(StrEnum):
    """What a key of a program is good for. A key never does more than its owner may."""

    READ_REGISTRY = "read:registry"  # nodes, metering points, meters, modules, hubs
    WRITE_REGISTRY = "write:registry"  # import, accept and refuse what was found
    READ_READINGS = "read:readings"  # registers, profiles, proof of delivery
    WRITE_READINGS = "write:readings"  # import readings, hand in and judge what a dial showed
    ASK_READINGS = "ask:readings"  # have a module read now
    READ_BALANCES = "read:balances"
    READ_EVENTS = "read:events"  # events of channels, findings
    WRITE_MARKS = "write:marks"  # mark points as temporarily incorrect
    WRITE_RESPONSE = "write:response"  # draft, announce, cancel events of demand response; triggers


SCOPES: dict[Scope, frozenset[Right]] = {
    Scope.READ_REGISTRY: frozenset({Right.VIEW}),
    Scope.WRITE_REGISTRY: frozenset({Right.REGISTRY}),
    Scope.READ_READINGS: frozenset({Right.READINGS}),
    Scope.WRITE_READINGS: frozenset({Right.READINGS, Right.REGISTRY, Right.REPORT, Right.JUDGE}),
    Scope.ASK_READINGS: frozenset({Right.READINGS}),
    Scope.READ_BALANCES: frozenset({Right.READINGS}),
    Scope.READ_EVENTS: frozenset({Right.READINGS, Right.AUDIT}),
    Scope.WRITE_MARKS: frozenset({Right.READINGS, Right.JUDGE}),
    Scope.WRITE_RESPONSE: frozenset({Right.AUDIT, Right.RESPONSE, Right.CONSENT}),
}
"""Rights that a scope lends to a key, as far as its owner has them; each also lends VIEW."""


def rights_of_scopes(scopes: Iterable[Scope]) -> frozenset[Right]:
    """Return the rights that a key with `scopes` has, if its owner has them.

    >>> sorted(rights_of_scopes([Scope.READ_READINGS]))
    [<Right.READINGS: 'readings'>, <Right.VIEW: 'view'>]
    """
    return frozenset({Right.VIEW}).union(*(SCOPES[scope] for scope in scopes))
