"""The Avro files as Python sees them: their text, as it is registered, and their schemas, parsed once a process.

Knows nothing of events as classes, of topics, or of the registry.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any, Final

import fastavro
from fastavro.schema import to_parsing_canonical_form

from schemas.topics import DELETED, FAILED, READY, REMOVED, UPLOADED

RECORDS: Final = (UPLOADED, DELETED, READY, FAILED, REMOVED)

Json = Any
"""What json.loads returns; mypy has no better word for it."""

Schema = dict[str, Any]
"""A record's schema as fastavro parsed it."""


@cache
def schema_text(record: str) -> str:
    """Return the Avro file of a record type, as it is registered."""
    return files("schemas").joinpath("avro", f"{record}.avsc").read_text(encoding="utf-8")


@cache
def schema_of(record: str) -> Schema:
    """Return the schema of a record type as `parse` gives it. Treat it as read-only: it is shared."""
    return parse(schema_text(record))


def parse(text: str) -> Schema:
    """Parse a schema's text for reading and writing plain values: without its logical types (see `schemas.mapping`).

    Raises what json and fastavro raise for what is no schema.
    """
    parsed: Schema = fastavro.parse_schema(_bare(json.loads(text)))  # type: ignore[assignment]  # not a union's list here
    return parsed


def layout(schema: Schema) -> str:
    """Return what determines the bytes: names, types and their order, without docs and defaults."""
    return to_parsing_canonical_form(schema)


def _bare(schema: Json) -> Json:
    if isinstance(schema, list):
        return [_bare(item) for item in schema]
    if isinstance(schema, dict):
        return {
            name: value if name == "default" else _bare(value)
            for name, value in schema.items()
            if name != "logicalType"
        }
    return schema
