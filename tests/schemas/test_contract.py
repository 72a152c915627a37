"""The Avro files and the event classes say the same, field by field."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, fields, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import fastavro
import pytest

from schemas.avro_files import RECORDS, schema_text
from schemas.errors import Reason
from schemas.writers import EVENT_CLASSES

if TYPE_CHECKING:
    from collections.abc import Iterator

PRIMITIVES: dict[Any, Any] = {
    str: "string",
    bool: "boolean",
    float: "double",
    bytes: "bytes",
    UUID: {"type": "string", "logicalType": "uuid"},
    datetime: {"type": "long", "logicalType": "timestamp-micros"},
}
# Counts and pixels fit 31 bits; sizes, offsets and clocks do not.
LONG_FIELDS = {"size", "offset", "hlc", "bytes"}


def load(record: str) -> dict[str, Any]:
    """Return a record's file as JSON."""
    schema: dict[str, Any] = json.loads(schema_text(record))
    return schema


def expected_type(hint: Any, name: str) -> Any:  # noqa: ANN401 - type hints and JSON
    """Return what the Avro file must say of a field, with a record as its bare name."""
    if get_origin(hint) in {Union, types.UnionType}:
        (inner,) = [arg for arg in get_args(hint) if arg is not type(None)]
        return ["null", expected_type(inner, name)]
    if get_origin(hint) is tuple:
        return {"type": "array", "items": expected_type(get_args(hint)[0], name)}
    if get_origin(hint) is Mapping:
        return {"type": "map", "values": "string"}
    if hint is int:
        return "long" if name in LONG_FIELDS else "int"
    return PRIMITIVES.get(hint, getattr(hint, "__name__", None))


def shown_type(avro: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a field's type with each inlined record and enum replaced by its name."""
    if isinstance(avro, list):
        return [shown_type(branch) for branch in avro]
    if isinstance(avro, dict) and avro["type"] in {"record", "enum"}:
        return avro["name"]
    if isinstance(avro, dict) and avro["type"] == "array":
        return {"type": "array", "items": shown_type(avro["items"])}
    return avro


def expected_default(field: Field[Any]) -> Any:  # noqa: ANN401 - JSON
    """Return the default as Avro's JSON gives it, or MISSING."""
    default = field.default_factory() if field.default_factory is not MISSING else field.default
    if is_dataclass(default) and not isinstance(default, type):
        return asdict(default)
    return default.decode("latin-1") if isinstance(default, bytes) else default


def hold(avro: dict[str, Any], cls: type) -> None:
    """Assert that a record and a class agree, and so on with what they contain."""
    hints = get_type_hints(cls)
    ours = [(f.name, expected_type(hints[f.name], f.name), expected_default(f)) for f in fields(cls)]
    theirs = [(f["name"], shown_type(f["type"]), f.get("default", MISSING)) for f in avro["fields"]]
    assert theirs == ours
    for field in avro["fields"]:
        for inner in inlined(field["type"]):
            if inner["type"] == "record":
                hold(inner, record_class(hints[field["name"]]))


def record_class(hint: Any) -> type:  # noqa: ANN401 - a type hint
    """Return the event class inside ``X``, ``X | None`` or ``tuple[X, ...]``."""
    candidates = [hint, *get_args(hint)]
    return next(item for item in candidates if isinstance(item, type) and is_dataclass(item))


def inlined(avro: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - JSON
    """Yield the records and enums that a type defines in place."""
    if isinstance(avro, list):
        for branch in avro:
            yield from inlined(branch)
    elif isinstance(avro, dict) and avro["type"] == "array":
        yield from inlined(avro["items"])
    elif isinstance(avro, dict) and avro["type"] in {"record", "enum"}:
        yield avro


def every_record(avro: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a record and all that are inside it, and every enum."""
    yield avro
    for field in avro.get("fields", []):
        for inner in inlined(field["type"]):
            yield from every_record(inner)


@pytest.mark.parametrize("record", RECORDS)
def test_classes_and_files_agree(record: str) -> None:
    """Names, order, types, defaults and nullability are the same in the class and in the file."""
    hold(load(record), EVENT_CLASSES[record])


@pytest.mark.parametrize("record", RECORDS)
def test_decoding_may_set_slots_directly(record: str) -> None:
    """Event classes have slots, and no __post_init__ that decoding would skip."""
    cls = EVENT_CLASSES[record]
    inner = [hint for hint in get_type_hints(cls).values() for hint in (hint, *get_args(hint)) if is_dataclass(hint)]
    assert all("__slots__" in vars(part) and not hasattr(part, "__post_init__") for part in [cls, *inner])


@pytest.mark.parametrize("record", RECORDS)
def test_each_file_stands_alone(record: str) -> None:
    """A service parses any one file with nothing beside it, and finds it in the namespace darkroom."""
    parsed = fastavro.parse_schema(load(record))
    assert parsed["name"] == f"darkroom.{record}"  # type: ignore[call-overload,index]


@pytest.mark.parametrize("record", RECORDS)
def test_everything_is_documented(record: str) -> None:
    """Every record, enum and field carries a doc that is a sentence."""
    for part in every_record(load(record)):
        docs = [part["doc"], *(field["doc"] for field in part.get("fields", []))]
        assert all(len(doc) > 10 and doc.endswith(".") for doc in docs), part["name"]


@pytest.mark.parametrize("record", RECORDS)
def test_every_enum_can_gain_symbols(record: str) -> None:
    """An enum without a default could never gain a symbol under full compatibility."""
    enums = [part for part in every_record(load(record)) if part["type"] == "enum"]
    assert all(enum["default"] == "other" and enum["symbols"][0] == "other" for enum in enums)


def test_reasons_are_the_enum_of_the_file() -> None:
    """The reason codes in Python are the symbols of the file, in its order."""
    (enum,) = [part for part in every_record(load("ImageFailed")) if part["type"] == "enum"]
    assert enum["symbols"] == [str(reason) for reason in Reason]


def test_shared_records_are_the_same_in_every_file() -> None:
    """A record that several files inline is the same in all, or code generators would refuse the folder."""
    seen: dict[str, Any] = {}
    for record in RECORDS:
        for part in every_record(load(record)):
            assert seen.setdefault(part["name"], part) == part
    assert {"Cause", "Source"} <= set(seen)
