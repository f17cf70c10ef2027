"""Who a transaction acts for. Without a scope the database shows no row of any tenant.

A scope is a transaction with two settings that end with it: ``balans.tenant``, which the
policies of every table compare with, and ``balans.actor``, which the history records.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import InterfaceError, OperationalError, connection, transaction

from balans.core.errors import UnavailableError

SYSTEM = "all"


@contextmanager
def tenant_scope(tenant_id: int, actor: str = "") -> Iterator[None]:
    """Act for one tenant, inside one transaction.

    Parameters
    ----------
    tenant_id
        The only tenant whose rows can be seen or written.
    actor
        Whom the history names as author.

    Raises
    ------
    UnavailableError
        If the database cannot be used now. Nothing of the block is kept.
    """
    with _scope(str(int(tenant_id)), actor, durable=False):
        yield


@contextmanager
def system_scope(actor: str = "", *, durable: bool = False) -> Iterator[None]:
    """Act for all tenants: for daemons and for the login only; errors as `tenant_scope`.

    With `durable` the block is sure to be committed when it has been left; it cannot be nested.
    """
    with _scope(SYSTEM, actor, durable=durable):
        yield


@contextmanager
def _scope(tenant: str, actor: str, *, durable: bool) -> Iterator[None]:
    outermost = not connection.in_atomic_block
    try:
        # COPY and cursors of the driver raise its own errors: they become Django's here
        with transaction.atomic(durable=durable), connection.wrap_database_errors:
            before = ("", "") if outermost else _present()
            _set(tenant, actor)
            yield
            if not outermost:
                _set(*before)
    except (OperationalError, InterfaceError) as error:
        raise UnavailableError(f"database: {str(error).strip()}") from error
    finally:
        if outermost:
            _give_back()


def _present() -> tuple[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select coalesce(current_setting('balans.tenant', true), ''),"
            " coalesce(current_setting('balans.actor', true), '')"
        )
        tenant, actor = cursor.fetchone()
    return tenant, actor


def _set(tenant: str, actor: str) -> None:
    """Set both until the end of the transaction, or of the savepoint when it is rolled back."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select set_config('balans.tenant', %s, true), set_config('balans.actor', %s, true)",
            [tenant, actor],
        )


def _give_back() -> None:
    """Return the connection to its pool, which checks it before the next use."""
    pooled = bool(connection.settings_dict["OPTIONS"].get("pool"))
    if pooled or connection.errors_occurred:
        connection.close()
