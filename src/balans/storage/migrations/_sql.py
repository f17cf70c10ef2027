"""Pieces of SQL that the migrations share. What a released migration used must not change."""

SCOPE = """
create extension if not exists ltree;
create extension if not exists btree_gist;
create function balans_tenant() returns int language sql stable parallel safe as $$
  select nullif(nullif(current_setting('balans.tenant', true), ''), 'all')::int
$$;
create function balans_is_system() returns boolean language sql stable parallel safe as $$
  select coalesce(current_setting('balans.tenant', true) = 'all', false)
$$;
"""


def seal(table: str, column: str = "tenant_id", commands: tuple[str, ...] = ("all",)) -> str:
    """Return the SQL that shows a row of `table` to its tenant and to the system only.

    The settings stand in sub-selects, so that they are read once a query and not once a row.
    """
    sees = f"({column} = (select balans_tenant()) or (select balans_is_system()))"
    rules = {
        "all": f"using {sees} with check {sees}",
        "select": f"using {sees}",
        "insert": f"with check {sees}",
    }
    policies = "".join(
        f"create policy sealed_{command} on {table} for {command} {rules[command]};\n"
        for command in commands
    )
    return (
        f"alter table {table} enable row level security;\n"
        f"alter table {table} force row level security;\n{policies}"
    )


def inside(table: str, column: str, target: str) -> str:
    """Return the foreign key ``(tenant_id, column)``: a reference cannot leave the tenant."""
    return (
        f"alter table {table} add constraint {table}_{column}_inside "
        f"foreign key (tenant_id, {column}) references {target} (tenant_id, id);\n"
    )


def target(table: str) -> str:
    """Return the key that `inside` refers to."""
    return f"alter table {table} add constraint {table}_inside_key unique (tenant_id, id);\n"


def exclusive(table: str, *columns: str) -> str:
    """Return the constraint that periods of rows with equal `columns` do not overlap."""
    equal = ", ".join(f"{column} with =" for column in columns)
    return (
        f"alter table {table} add constraint {table}_{'_'.join(columns)}_exclusive "
        f"exclude using gist ({equal}, tstzrange(valid_from, valid_to) with &&);\n"
    )


def history(table: str, tenant_column: str = "tenant_id") -> str:
    """Return the trigger that records every change of `table`."""
    return (
        f"create trigger history after insert or update or delete on {table} "
        f"for each row execute function balans_history('{tenant_column}');\n"
    )
