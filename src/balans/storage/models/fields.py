"""Column types and constraints that the tables share."""

from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

from django.db import models
from django.db.models.lookups import Lookup
from typing_extensions import override

if TYPE_CHECKING:
    TextField: TypeAlias = models.TextField[Any, Any]
    AnyLookup: TypeAlias = Lookup[Any]
else:  # the classes take no parameters at run time
    TextField = models.TextField
    AnyLookup = Lookup

WORD_LENGTH = 24
CODE = r"^[A-Za-z0-9_.-]{1,64}$"


class LtreeField(TextField):
    """A path of PostgreSQL's ``ltree``, as text such as ``n1.n7``. Kept by a trigger."""

    @override
    def db_type(self, connection: Any) -> str:
        """Return the column type."""
        return "ltree"

    @override
    def get_internal_type(self) -> str:
        """Return a name of its own, so that no text operation is applied to paths."""
        return "LtreeField"


class _PathLookup(AnyLookup):
    operator = ""

    @override
    def get_prep_lookup(self) -> Any:
        return self.rhs

    @override
    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        lhs, lhs_params = self.process_lhs(compiler, connection)
        if isinstance(self.rhs, list):
            return f"{lhs} {self.operator} ANY(%s::ltree[])", (*lhs_params, self.rhs)
        return f"{lhs} {self.operator} %s::ltree", (*lhs_params, self.rhs)


@LtreeField.register_lookup
class Under(_PathLookup):
    """``path__under="n1.n7"`` (or a list of paths): the nodes themselves and all below."""

    lookup_name = "under"
    operator = "<@"


@LtreeField.register_lookup
class Above(_PathLookup):
    """``path__above="n1.n7"`` (or a list of paths): the nodes themselves and all ancestors."""

    lookup_name = "above"
    operator = "@>"


def word(**options: Any) -> Any:
    """Return a column for one word of an enumeration; `word_check` lets the database insist."""
    return models.CharField(max_length=WORD_LENGTH, **options)


def word_check(table: str, field: str, words: type[StrEnum]) -> models.CheckConstraint:
    """Return the constraint that `field` holds one of `words`."""
    return models.CheckConstraint(
        name=f"{table}_{field}_word",
        condition=models.Q(**{f"{field}__in": [w.value for w in words]}),
    )


def code_check(table: str, field: str = "code") -> models.CheckConstraint:
    """Return the constraint that `field` can stand in a topic and a URL."""
    return models.CheckConstraint(
        name=f"{table}_{field}_format", condition=models.Q(**{f"{field}__regex": CODE})
    )


def period_check(table: str) -> models.CheckConstraint:
    """Return the constraint that a period ends after it begins."""
    return models.CheckConstraint(
        name=f"{table}_period",
        condition=models.Q(valid_to__isnull=True) | models.Q(valid_to__gt=models.F("valid_from")),
    )


def inside(target: str, **options: Any) -> Any:
    """Return a foreign key inside the tenant.

    The database checks it as a key of two columns, ``(tenant_id, …_id)`` (see the migration), so
    that no row can point into another tenant; hence no constraint of one column here.
    """
    options.setdefault("related_name", "+")
    return models.ForeignKey(target, on_delete=models.PROTECT, db_constraint=False, **options)
