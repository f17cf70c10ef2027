"""Whole arrays out of the database, and parameters into it, in PostgreSQL's binary formats.

References
----------
PostgreSQL documentation, COPY, "Binary Format": 19 bytes of header; a row is its number of
fields, each field its length and its bytes; 2 bytes of trailer.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

if TYPE_CHECKING:
    from psycopg import Cursor

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"
_LENGTH = struct.Struct(">i")


def row_type(*fields: tuple[str, str], last: tuple[str, str, int] | None = None) -> np.dtype[Any]:
    """Return the layout of a binary row of `fields` (name, kind), none of which is NULL.

    With `last` (name, kind, how often) so many fields of one kind follow, read as
    ``rows[name]["value"]``.
    """
    found: list[Any] = [("fields", ">i2")]
    for name, kind in fields:
        found += [(f"{name}_length", ">i4"), (name, kind)]
    if last is not None:
        name, kind, count = last
        found.append((name, [("length", ">i4"), ("value", kind)], (count,)))
    return np.dtype(found)


def fixed_rows(query: str, params: Sequence[Any], layout: np.dtype[Any]) -> NDArray[np.void]:
    """Return what `query` selects as an array (n,) of type `layout`."""
    with (
        connection.cursor() as cursor,
        cursor.copy(f"copy ({query}) to stdout (format binary)", params) as copy,
    ):
        data = b"".join(copy)
    count = (len(data) - len(HEADER) - len(TRAILER)) // layout.itemsize
    return np.frombuffer(data, layout, count=count, offset=len(HEADER))


def rows_of_bytes(query: str, params: Sequence[Any]) -> Iterator[list[bytes]]:
    """Yield the rows that `query` selects, each field as its bytes; NULL as none."""
    with (
        connection.cursor() as cursor,
        cursor.copy(f"copy ({query}) to stdout (format binary)", params) as copy,
    ):
        data = b"".join(copy)
    at = len(HEADER)
    while (fields := int.from_bytes(data[at : at + 2], "big", signed=True)) >= 0:
        at += 2
        row = []
        for _ in range(fields):
            (length,) = _LENGTH.unpack_from(data, at)
            at += 4
            row.append(data[at : at + max(length, 0)])
            at += max(length, 0)
        yield row


def int_of(field: bytes) -> int:
    """Return an integer or a date in binary; a date is days since 2000-01-01."""
    return int.from_bytes(field, "big", signed=True)


def binary_cursor() -> "Cursor[tuple[Any, ...]]":
    """Return a cursor whose parameters (``%b``) and results are binary.

    It belongs to the connection, and to the transaction, that Django holds: texts of bytes would
    be twice as long.
    """
    from psycopg import Cursor

    connection.ensure_connection()
    return Cursor(connection.connection)


def write(table: str, columns: Sequence[str], parts: Iterable[bytes]) -> None:
    """COPY the bytes of `parts`, header and trailer among them, into `table`."""
    with (
        connection.cursor() as cursor,
        cursor.copy(f"copy {table} ({', '.join(columns)}) from stdin (format binary)") as copy,
    ):
        for data in parts:
            copy.write(data)
