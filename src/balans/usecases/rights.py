"""Roles and what each may do: the one table of rights. `storage.access` enforces it."""

from enum import StrEnum


class Role(StrEnum):
    """What a person is on a subtree."""

    OPERATOR = "operator"
    CONSUMER = "consumer"
    MANAGER = "manager"
    INSTALLER = "installer"


class Right(StrEnum):
    """What can be done at a node."""

    VIEW = "view"  # that it exists, its name and place
    READINGS = "readings"  # registers and profiles
    LIVE = "live"  # present power, limits and loads
    AUDIT = "audit"  # commands and who gave them
    CONTROL = "control"  # switch a load
    CONTROL_UNRELEASED = "control_unreleased"  # … that its owner did not release to others
    LIMITS = "limits"  # set a limit
    CONSENT = "consent"  # release own loads to control, pause it, set an own stricter limit
    REGISTRY = "registry"  # mount, move and describe
    ACCESS = "access"  # give and take grants


RIGHTS: dict[Role, frozenset[Right]] = {
    Role.OPERATOR: frozenset(Right) - {Right.CONTROL_UNRELEASED, Right.CONSENT},
    Role.CONSUMER: frozenset(Right) - {Right.REGISTRY, Right.ACCESS},
    Role.MANAGER: frozenset({Right.VIEW, Right.READINGS, Right.LIVE, Right.AUDIT}),
    Role.INSTALLER: frozenset({Right.VIEW, Right.REGISTRY}),
}
"""What is not listed is denied."""
