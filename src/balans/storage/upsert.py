"""Makes the rows of a model hold wanted values, touching only what differs."""

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from django.db import DataError, IntegrityError, models, transaction
from django.db.models import QuerySet

from balans.core.errors import InputError

BATCH_ROWS = 5_000
M = TypeVar("M", bound=models.Model)
Values = dict[str, Any]


class RowRefusedError(InputError):
    """The database refuses a row; `index` is its place among those that were wanted."""

    code = "row_refused"

    def __init__(self, message: str, index: int) -> None:
        super().__init__(message)
        self.index = index


class Table(Generic[M]):
    """The rows of one model that the tenant has, by their natural key."""

    def __init__(self, model: type[M], label: str, fixed: Values, key: tuple[str, ...]) -> None:
        self.model = model
        self.label = label
        self.fixed = fixed
        self.key = key
        self.created = self.updated = self.unchanged = 0
        rows: QuerySet[Any] = QuerySet(model).filter(**fixed)
        self.rows: dict[tuple[Any, ...], M] = {self._key_of(vars(row)): row for row in rows}

    def _key_of(self, values: Values) -> tuple[Any, ...]:
        return tuple(values[name] for name in self.key)

    def save(self, wanted: Iterable[Values]) -> list[M]:
        """Create and update rows so that they hold `wanted`; return them in order."""
        keys: list[tuple[Any, ...]] = []
        new: list[tuple[int, M]] = []
        for index, values in enumerate(wanted):
            key = self._key_of(values)
            keys.append(key)
            row = self.rows.get(key)
            if row is None:
                self.rows[key] = self.model(**self.fixed, **values)
                new.append((index, self.rows[key]))
            else:
                self._update(index, row, values)
        self._create(new)
        return [self.rows[key] for key in keys]

    def _create(self, new: list[tuple[int, M]]) -> None:
        try:
            with transaction.atomic():
                QuerySet[Any](self.model).bulk_create([row for _, row in new], BATCH_ROWS)
        except (IntegrityError, DataError):
            for index, row in new:  # one by one, to name the one that does not fit
                self._guarded(index, row, row.save)
        self.created += len(new)

    def _update(self, index: int, row: M, values: Values) -> None:
        changed = [name for name, value in values.items() if getattr(row, name) != value]
        if not changed:
            self.unchanged += 1
            return
        for name in changed:
            setattr(row, name, values[name])
        self._guarded(index, row, lambda: row.save(update_fields=changed))
        self.updated += 1

    def _guarded(self, index: int, row: M, save: Callable[[], None]) -> None:
        try:
            with transaction.atomic():
                save()
        except (IntegrityError, DataError) as error:
            name = "/".join(str(vars(row)[part]) for part in self.key)
            what = f"{self.label} {name}: {_explain(error)}"
            raise RowRefusedError(what, index) from error


def _explain(error: Exception) -> str:
    """Return the database's own sentence about what does not fit, with the values."""
    diag = getattr(error.__cause__, "diag", None)
    if diag is None:
        return str(error)
    return f"{diag.message_primary}" + (f" ({diag.message_detail})" if diag.message_detail else "")
