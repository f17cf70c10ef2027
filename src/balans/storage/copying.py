"""Whole arrays out of the database, and parameters into it, in PostgreSQL's binary formats.

References
----------
PostgreSQL documentation, COPY, "Binary Format": 19 bytes of header; a row is its number of
fields, each field its length and its bytes; 2 bytes of trailer. Arrays: dimensions, whether it
has NULL, type of the elements, how many, number of the first; then each as its length and bytes.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray
from psycopg import Cursor
from psycopg.adapt import Dumper
from psycopg.pq import Format
from typing_extensions import override

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"
_LENGTH = struct.Struct(">i")
_ARRAY_HEAD = struct.Struct(">iiIii")
_FEW = 100
_ARRAYS = {"int2": (2, 21), "int4": (4, 23), "int8": (8, 20)}
"""Bytes of an element, and its type by PostgreSQL's number."""


def row_type(*fields: tuple[str, str]) -> np.dtype[Any]:
    """Return the layout of a binary row of `fields` (name, kind), none of which is NULL."""
    found: list[Any] = [("fields", ">i2")]
    for name, kind in fields:
        found += [(f"{name}_length", ">i4"), (name, kind)]
    return np.dtype(found)


def fixed_rows(query: str, params: Sequence[Any], layout: np.dtype[Any]) -> NDArray[np.void]:
    """Return what `query` selects as an array (n,) of type `layout`."""
    with _copying(f"copy ({query}) to stdout (format binary)", params) as copy:
        data = _all_of(copy)
    count = (len(data) - len(HEADER) - len(TRAILER)) // layout.itemsize
    return np.frombuffer(data, layout, count=count, offset=len(HEADER))


def rows_of_bytes(query: str, params: Sequence[Any]) -> list[list[bytes]]:
    """Return the rows that `query` selects, each field as its bytes in binary; NULL as none.

    `query` has ``%b`` in place of parameters.
    """
    with connection.wrap_database_errors, binary_cursor() as cursor:
        cursor.execute(query, params)
        result = cursor.pgresult
        if result is None:
            return []
        columns = range(result.nfields)
        return [
            [result.get_value(row, column) or b"" for column in columns]
            for row in range(result.ntuples)
        ]


def raw_rows(query: str, params: Sequence[Any]) -> bytes:
    """Return what `query` selects as a whole binary COPY."""
    with _copying(f"copy ({query}) to stdout (format binary)", params) as copy:
        return _all_of(copy)


def parse_rows(data: bytes) -> Iterator[list[bytes]]:
    """Yield the rows of a binary COPY, each field as its bytes; NULL as none."""
    at = len(HEADER)
    while at < len(data) and (fields := int.from_bytes(data[at : at + 2], "big", signed=True)) >= 0:
        at += 2
        row = []
        for _ in range(fields):
            (length,) = _LENGTH.unpack_from(data, at)
            at += 4
            row.append(data[at : at + max(length, 0)])
            at += max(length, 0)
        yield row


@dataclass(frozen=True, slots=True)
class Int4s:
    """A parameter of `binary_cursor` that is an array of int4."""

    values: NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Int8s:
    """A parameter of `binary_cursor` that is an array of int8."""

    values: NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Blobs:
    """A parameter of `binary_cursor` that is an array of bytea, all of one length: (n, bytes)."""

    values: NDArray[np.uint8]


def arrays(query: str, params: Sequence[Any], *kinds: str) -> list[NDArray[np.integer]]:
    """Return the columns of one row, each an ``array_agg`` without NULL; of no rows, empty ones.

    Parameters
    ----------
    query, params
        With ``%b`` in place of parameters.
    kinds
        Type of the elements of each column, as PostgreSQL names it: int2, int4, int8.
    """
    found = []
    for kind, field in zip(kinds, _fields(query, params, len(kinds)), strict=True):
        layout = _element(kind)
        count = (len(field) - _ARRAY_HEAD.size) // layout.itemsize if field else 0
        values = np.frombuffer(field or b"", layout, count, _ARRAY_HEAD.size if count else 0)
        found.append(values["value"])
    return found


def tables(query: str, params: Sequence[Any], *columns: int) -> list[NDArray[np.int32]]:
    """Return the columns of one row, each an ``array_agg(array[...])`` of int4 without NULL.

    All rows of a table come as one value: a row costs nothing here, where one of COPY costs an
    object or two.

    Parameters
    ----------
    query, params
        With ``%b`` in place of parameters.
    columns
        How many integers a row of each has: the shapes are (rows, columns).
    """
    found = []
    for width, field in zip(columns, _fields(query, params, len(columns)), strict=True):
        head = _ARRAY_HEAD.size + 8  # of two dimensions
        count = (len(field) - head) // 8 if field else 0
        values = np.frombuffer(field or b"", _element("int4"), count, head if count else 0)
        found.append(values["value"].reshape(-1, width))
    return found


def _fields(query: str, params: Sequence[Any], count: int) -> list[bytes | None]:
    """Return the fields of the first row, which there is."""
    with connection.wrap_database_errors, binary_cursor() as cursor:
        cursor.execute(query, params)
        return [
            cursor.pgresult.get_value(0, column) if cursor.pgresult else None
            for column in range(count)
        ]


def _element(kind: str) -> np.dtype[Any]:
    return np.dtype([("length", ">i4"), ("value", f">i{_ARRAYS[kind][0]}")])


def _packed(values: NDArray[np.integer], kind: str) -> bytes:
    size, element = _ARRAYS[kind]
    rows = np.empty(len(values), _element(kind))
    rows["length"] = size
    rows["value"] = values
    return _ARRAY_HEAD.pack(1, 0, element, len(rows), 1) + rows.tobytes()


class _Int4sDumper(Dumper):
    format = Format.BINARY
    oid = 1007

    @override
    def dump(self, obj: Int4s) -> bytes:
        return _packed(obj.values, "int4")


class _BlobsDumper(Dumper):
    format = Format.BINARY
    oid = 1001

    @override
    def dump(self, obj: Blobs) -> bytes:
        count, size = obj.values.shape
        rows = np.empty(count, [("length", ">i4"), ("value", "u1", (size,))])
        rows["length"] = size
        rows["value"] = obj.values
        return _ARRAY_HEAD.pack(1, 0, 17, count, 1) + rows.tobytes()


class _Int8sDumper(Dumper):
    format = Format.BINARY
    oid = 1016

    @override
    def dump(self, obj: Int8s) -> bytes:
        return _packed(obj.values, "int8")


def int_of(field: bytes) -> int:
    """Return an integer or a date in binary; a date is days since 2000-01-01."""
    return int.from_bytes(field, "big", signed=True)


def binary_cursor() -> Cursor[tuple[Any, ...]]:
    """Return a cursor whose parameters (``%b``) and results are binary.

    It belongs to the connection, and to the transaction, that Django holds: texts of bytes would
    be twice as long.
    """
    connection.ensure_connection()
    cursor = Cursor(connection.connection)
    cursor.format = Format.BINARY
    cursor.adapters.register_dumper(Int4s, _Int4sDumper)
    cursor.adapters.register_dumper(Int8s, _Int8sDumper)
    cursor.adapters.register_dumper(Blobs, _BlobsDumper)
    return cursor


def write(table: str, columns: Sequence[str], parts: Iterable[bytes]) -> None:
    """COPY the bytes of `parts`, header and trailer among them, into `table`."""
    statement = f"copy {table} ({', '.join(columns)}) from stdin (format binary)"
    with _copying(statement) as copy:
        for data in parts:
            copy.write(data)


def any_of(column: str, count: int, array: str = "%b::int[]") -> str:
    """Return the condition that `column` is one of the `count` elements of `array`.

    A long array goes into a subquery: of a constant the planner looks up every element in its
    statistics, a microsecond each, which for ten thousand takes longer than the query itself.
    A short one stays as it is, and what is distributed by `column` is asked in its places only.

    >>> any_of("id", 2), any_of("id", 200)
    ('id = any(%b::int[])', 'id = any((select %b::int[])::int[])')
    """
    if count <= _FEW:
        return f"{column} = any({array})"
    kind = array.rpartition("::")[2]
    return f"{column} = any((select {array})::{kind})"


def literal(ids: Iterable[int]) -> str:
    """Return integers as an array that ``%s::int[]`` takes: a list is looked at one by one.

    >>> literal([3, 4])
    '{3,4}'
    """
    return f"{{{','.join(map(str, ids))}}}"


def _all_of(copy: Any) -> bytes:
    """Return the bytes of a binary COPY.

    What has come already is taken straight from the connection, half the work a row; where there
    is nothing to take the driver waits.
    """
    take = copy.connection.pgconn.get_copy_data
    parts: list[bytes] = []
    while True:
        size, data = take(1)
        if size <= 0:
            data = copy.read()
            if not data:
                return b"".join(parts)
        parts.append(data)
        head = len(HEADER) if len(parts) == 1 else 0  # comes with the first row
        if len(data) == head + len(TRAILER):
            copy.read()  # the end
            return b"".join(parts)


@contextmanager
def _copying(statement: str, params: Sequence[Any] | None = None) -> Iterator[Any]:
    """COPY on Django's connection; errors are Django's.

    Below the cursor of Django, since the one that logs queries takes no parameters of COPY.
    """
    with (
        connection.wrap_database_errors,
        connection.cursor() as cursor,
        cursor.cursor.copy(statement, params) as copy,
    ):
        yield copy
