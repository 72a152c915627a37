"""A writer's schema, as the registry hands it out by id, judged once and made ready for reading.

The registry is shared: an id may name anybody's schema. What is not one of ours, cannot be resolved to ours, or could
make a reader run away (recursion, items without bytes) is refused before a single byte is read with it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from schemas.avro_files import RECORDS, Schema, layout, parse, schema_of, schema_text
from schemas.compatibility import unreadable
from schemas.errors import Permanent, Reason
from schemas.events import ImageDeleted, ImageFailed, ImageReady, ImageRemoved, ImageUploaded
from schemas.mapping import from_plain
from schemas.topics import DELETED, FAILED, NAMESPACE, READY, REMOVED, UPLOADED

if TYPE_CHECKING:
    from schemas.avro_files import Json
    from schemas.mapping import Convert

EVENT_CLASSES: Final[dict[str, type]] = {
    UPLOADED: ImageUploaded,
    DELETED: ImageDeleted,
    READY: ImageReady,
    FAILED: ImageFailed,
    REMOVED: ImageRemoved,
}


@dataclass(frozen=True, slots=True)
class Writer:
    """How to read what was written with one schema."""

    record: str
    """Simple name of the record type."""
    schema: Schema
    """Determines the bytes."""
    reader: Schema | None
    """Ours, where it differs; None saves fastavro the resolution."""
    build: Convert
    """Makes the event from what fastavro read."""


def judge_writer(text: str) -> Writer:
    """Return how to read data of this schema. Raise `Permanent` (``invalid_event``) if it is not ours or not safe."""
    try:
        return _judge(text)
    except Permanent:
        raise
    except Exception as error:  # the text is anybody's, and fastavro raises many kinds
        message = f"the writer's schema is no usable Avro schema: {type(error).__name__}: {error}"
        raise Permanent(Reason.INVALID_EVENT, message[:500]) from error


def _judge(text: str) -> Writer:
    schema = parse(text)
    if not isinstance(schema, dict) or schema.get("type") != "record":
        _refuse("the writer's schema is no record")
    namespace, _, record = str(schema["name"]).rpartition(".")
    if namespace != NAMESPACE or record not in RECORDS:
        _refuse(f"the writer's record {schema['name']} is not ours")
    ours, build = schema_of(record), from_plain(EVENT_CLASSES[record])
    if layout(schema) == layout(ours):
        return Writer(record, ours, None, build)
    if problems := unreadable(json.loads(schema_text(record)), json.loads(text)):
        _refuse("the writer's schema cannot be resolved to ours: " + "; ".join(map(str, problems)))
    if _width(json.loads(text), {}) < 0:
        _refuse("the writer's schema is recursive, or has items that take no bytes")
    return Writer(record, schema, ours, build)


def _refuse(detail: str) -> None:
    raise Permanent(Reason.INVALID_EVENT, detail[:500])


_RUNAWAY: Final = -1
_OPEN: Final = -2


def _width(schema: Json, widths: dict[str, int]) -> int:
    """Return 1 if a value takes bytes, 0 if it can take none, `_RUNAWAY` for recursion and for items without bytes.

    Recursive data runs through the C stack, and a count of 2**62 items of no bytes fits into nine bytes.
    """
    if isinstance(schema, list):
        return _RUNAWAY if any(_width(branch, widths) < 0 for branch in schema) else 1
    if isinstance(schema, str):
        return 0 if schema == "null" else max(widths.get(schema.rpartition(".")[2], 1), _RUNAWAY)
    kind = schema["type"]
    if kind == "record":
        return _record_width(schema, widths)
    if kind in {"array", "map"}:
        inner = _width(schema["items" if kind == "array" else "values"], widths)
        return _RUNAWAY if inner < 0 or (inner == 0 and kind == "array") else 1
    if kind in {"enum", "fixed"}:
        widths[schema["name"].rpartition(".")[2]] = 1 if schema.get("size", 1) else 0
        return widths[schema["name"].rpartition(".")[2]]
    return _width(kind, widths)


def _record_width(schema: Json, widths: dict[str, int]) -> int:
    name = schema["name"].rpartition(".")[2]
    widths[name] = _OPEN
    inner = [_width(field["type"], widths) for field in schema["fields"]]
    widths[name] = _RUNAWAY if any(width < 0 for width in inner) else max(inner, default=0)
    return widths[name]
