"""Whether data of one Avro schema can be read by another, and if not: which field breaks which rule.

The registry only says yes or no; this names the place. It covers what Avro 1.11 calls schema resolution for the types
that the contract uses, and errs on the side of "no" where a schema uses what the contract does not (aliases).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.avro_files import Json

_PROMOTIONS: Final = {
    ("int", "long"), ("int", "float"), ("int", "double"), ("long", "float"), ("long", "double"), ("float", "double"),
    ("string", "bytes"), ("bytes", "string"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Incompatibility:
    """One reason why a reader cannot read a writer's data."""

    field: str
    """Path of the field from the record down, for example ``ImageUploaded.source.sha256``."""
    rule: str
    """The rule it breaks, as a sentence part."""

    def __str__(self) -> str:
        return f"{self.field}: {self.rule}"


def unreadable(reader: Json, writer: Json) -> list[Incompatibility]:
    """Return why data written with ``writer`` cannot be read with ``reader`` (both as JSON); empty: it can."""
    return list(_compare(reader, writer, _Names({}, {}), _name(reader)))


@dataclass(frozen=True, slots=True)
class _Names:
    """Named types seen so far, so that a later mention by name can be followed."""

    reader: dict[str, Json]
    writer: dict[str, Json]


def _compare(reader: Json, writer: Json, names: _Names, path: str) -> Iterator[Incompatibility]:
    reader, writer = _resolve(reader, names.reader), _resolve(writer, names.writer)
    if isinstance(writer, list):
        for branch in writer:
            yield from _compare(reader, branch, names, path)
    elif isinstance(reader, list):
        if all(any(_compare(branch, writer, names, path)) for branch in reader):
            yield Incompatibility(
                path, f"written type {_name(writer)} is in no branch of the read union {_name(reader)}"
            )
    elif _kind(reader) != _kind(writer):
        if (_kind(writer), _kind(reader)) not in _PROMOTIONS:
            yield Incompatibility(path, f"written type {_name(writer)} cannot be read as {_name(reader)}")
    else:
        yield from _compare_kind(reader, writer, names, path)


def _compare_kind(reader: Json, writer: Json, names: _Names, path: str) -> Iterator[Incompatibility]:
    kind = _kind(reader)
    if kind in {"record", "enum", "fixed"} and reader["name"].rpartition(".")[2] != writer["name"].rpartition(".")[2]:
        yield Incompatibility(
            path, f"written {kind} {writer['name']} has another name than the read one, {reader['name']}"
        )
    elif kind == "record":
        yield from _compare_fields(reader, writer, names, path)
    elif kind == "enum":
        unknown = [symbol for symbol in writer["symbols"] if symbol not in reader["symbols"]]
        if unknown and "default" not in reader:
            yield Incompatibility(path, f"written symbols {', '.join(unknown)} are unknown and the enum has no default")
    elif kind == "array":
        yield from _compare(reader["items"], writer["items"], names, f"{path}[]")
    elif kind == "map":
        yield from _compare(reader["values"], writer["values"], names, f"{path}{{}}")
    elif kind == "fixed" and reader["size"] != writer["size"]:
        yield Incompatibility(path, f"written fixed has {writer['size']} bytes, the read one {reader['size']}")


def _compare_fields(reader: Json, writer: Json, names: _Names, path: str) -> Iterator[Incompatibility]:
    written = {field["name"]: field for field in writer["fields"]}
    for field in reader["fields"]:
        below = f"{path}.{field['name']}"
        if field["name"] in written:
            yield from _compare(field["type"], written[field["name"]]["type"], names, below)
        elif "default" not in field:
            yield Incompatibility(below, "is not written and has no default for the reader")


def _resolve(schema: Json, known: dict[str, Json]) -> Json:
    if isinstance(schema, str):
        return known.get(schema.rpartition(".")[2], schema)
    if isinstance(schema, dict) and "name" in schema:
        known[schema["name"].rpartition(".")[2]] = schema
    if isinstance(schema, dict) and isinstance(schema["type"], (dict, list)):
        return _resolve(schema["type"], known)
    return schema


def _kind(schema: Json) -> str:
    return schema if isinstance(schema, str) else str(schema["type"])


def _name(schema: Json) -> str:
    if isinstance(schema, list):
        return "[" + ", ".join(_name(branch) for branch in schema) + "]"
    if isinstance(schema, dict):
        return str(schema.get("name", schema["type"])).rpartition(".")[2]
    return str(schema)
