"""The description of the API for people, made from the one for programs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from balans.web.api.operations import SCOPE_KEY

Json = dict[str, Any]
REF: Final = "#/components/schemas/"
SHOWN_WORDS: Final = 12


@dataclass(frozen=True, slots=True)
class FieldRow:
    """A parameter or a field: its name, what it can be, and what it means."""

    name: str
    kind: str
    about: str
    needed: bool


@dataclass(frozen=True, slots=True)
class OperationRow:
    """An operation as the page shows it."""

    method: str
    path: str
    anchor: str
    scope: str
    about: str
    parameters: tuple[FieldRow, ...]
    body: tuple[FieldRow, ...]
    statuses: str


def chapters(schema: Json) -> list[tuple[str, list[OperationRow]]]:
    """Return the operations of an OpenAPI description by chapter, in its order."""
    found: dict[str, list[OperationRow]] = {}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            row = _row(schema, method, path, operation)
            found.setdefault(operation["tags"][0], []).append(row)
    return list(found.items())


def _row(schema: Json, method: str, path: str, operation: Json) -> OperationRow:
    about = operation["description"].rpartition("\n\nScope:")[0]
    return OperationRow(
        method=method.upper(),
        path=path,
        anchor=operation["operationId"],
        scope=operation[SCOPE_KEY],
        about=about,
        parameters=tuple(_parameters(schema, operation)),
        body=tuple(_body(schema, operation)),
        statuses=", ".join(sorted(str(code) for code in operation["responses"])),
    )


def _parameters(schema: Json, operation: Json) -> Iterator[FieldRow]:
    for one in operation.get("parameters", ()):
        yield FieldRow(
            one["name"],
            _kind(schema, one["schema"]),
            one.get("description", ""),
            bool(one.get("required")),
        )


def _body(schema: Json, operation: Json) -> Iterator[FieldRow]:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        model = _resolved(schema, content["schema"])
        needed = set(model.get("required", ()))
        for name, field in model.get("properties", {}).items():
            yield FieldRow(name, _kind(schema, field), field.get("description", ""), name in needed)


def _resolved(schema: Json, part: Json) -> Json:
    """Return what a reference stands for."""
    name = part.get("$ref", "").removeprefix(REF)
    found: Json = schema["components"]["schemas"][name] if name else part
    return found


def _kind(schema: Json, part: Json) -> str:
    """Return in a few words what a value can be."""
    options = [one for one in part.get("anyOf", ()) if one.get("type") != "null"]
    if options:
        return " | ".join(dict.fromkeys(_kind(schema, one) for one in options))
    whole = _resolved(schema, part)
    if "enum" in whole:
        words = [str(word) for word in whole["enum"]]
        return " | ".join(words[:SHOWN_WORDS]) + (" | …" if len(words) > SHOWN_WORDS else "")
    if whole.get("type") == "array":
        return f"[{_kind(schema, whole['items'])}, …]"
    if "properties" in whole:
        return "{" + ", ".join(whole["properties"]) + "}"
    return str(whole.get("format") or whole.get("type") or "")
