"""Our analysis names the field and the rule, and agrees with the real registry's yes or no."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from schemas.avro_files import RECORDS, schema_text
from schemas.compatibility import unreadable
from schemas.topics import FAILED, READY, UPLOADED
from streams.adapters.registry import Registry, RegistryAccess

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support import Stack

Json = dict[str, Any]


def field(schema: Json, name: str) -> Json:
    """Return a field of a record by name."""
    found: Json = next(item for item in schema["fields"] if item["name"] == name)
    return found


def add(schema: Json, **more: object) -> None:
    """Add a field to a record."""
    schema["fields"].append({"name": "new", "type": "string", **more})


def drop(schema: Json, name: str) -> None:
    """Take a field from a record."""
    schema["fields"].remove(field(schema, name))


def set_type(schema: Json, name: str, avro: object) -> None:
    """Give a field of a record another type."""
    field(schema, name)["type"] = avro


def reason_enum(schema: Json) -> Json:
    """Return the enum of reasons in ImageFailed."""
    found: Json = field(schema, "reason")["type"]
    return found


# (record, change, what is said when the new reads the old, what when the old reads the new); "" for nothing.
CHANGES: list[tuple[str, str, Callable[[Json], object], str, str]] = [
    ("nothing", UPLOADED, lambda s: s.update(), "", ""),
    ("a doc", UPLOADED, lambda s: s.update(doc="Another."), "", ""),
    ("field with default", UPLOADED, lambda s: add(s, default=""), "", ""),
    ("field without default", UPLOADED, add, "ImageUploaded.new: is not written and has no default for the reader", ""),
    ("drops a field with default", UPLOADED, lambda s: drop(s, "region"), "", ""),
    ("drops a field without default", UPLOADED, lambda s: drop(s, "recipe"), "",
     "ImageUploaded.recipe: is not written and has no default for the reader"),
    ("another type", UPLOADED, lambda s: set_type(s, "recipe", "long"),
     "ImageUploaded.recipe: written type string cannot be read as long",
     "ImageUploaded.recipe: written type long cannot be read as string"),
    ("int to long", FAILED, lambda s: set_type(s, "attempts", "long"), "",
     "ImageFailed.attempts: written type long cannot be read as int"),
    ("becomes nullable", UPLOADED, lambda s: set_type(s, "recipe", ["null", "string"]), "",
     "ImageUploaded.recipe: written type null cannot be read as string"),
    ("inside a shared record", UPLOADED, lambda s: add(field(s, "source")["type"]),
     "ImageUploaded.source.new: is not written and has no default for the reader", ""),
    ("inside an array's record", READY, lambda s: drop(field(s, "variants")["type"]["items"], "key"), "",
     "ImageReady.variants[].key: is not written and has no default for the reader"),
    ("a symbol more", FAILED, lambda s: reason_enum(s)["symbols"].append("cosmic_ray"), "", ""),
    ("a symbol fewer", FAILED, lambda s: reason_enum(s)["symbols"].pop(), "", ""),
    ("order of fields", UPLOADED, lambda s: s["fields"].reverse(), "", ""),
]  # fmt: skip
NAMED = [pytest.param(*change[1:], id=change[0]) for change in CHANGES]


def changed(record: str, change: Callable[[Json], object]) -> tuple[Json, Json]:
    """Return our schema before and after a change."""
    old, new = json.loads(schema_text(record)), json.loads(schema_text(record))
    change(new)
    return old, new


@pytest.mark.parametrize(("record", "change", "backward", "forward"), NAMED)
def test_the_field_and_the_rule_are_named(
    record: str, change: Callable[[Json], object], backward: str, forward: str
) -> None:  # fmt: skip
    """Each direction says exactly what breaks, by path and rule, or nothing."""
    old, new = changed(record, change)
    assert "; ".join(map(str, unreadable(new, old))) == backward
    assert "; ".join(map(str, unreadable(old, new))) == forward


@pytest.mark.parametrize(
    ("reader", "writer", "fine"),
    [
        ("bytes", "string", True),
        ("float", "long", True),
        ("int", "double", False),
        (["null", "long"], "int", True),
        (["null", "string"], "boolean", False),
        ("string", ["string"], True),
        ({"type": "map", "values": "long"}, {"type": "map", "values": "int"}, True),
        ({"type": "map", "values": "int"}, {"type": "map", "values": "string"}, False),
        ({"type": "fixed", "name": "F", "size": 2}, {"type": "fixed", "name": "F", "size": 3}, False),
        ({"type": "fixed", "name": "F", "size": 2}, {"type": "fixed", "name": "G", "size": 2}, False),
        ({"type": "enum", "name": "E", "symbols": ["a"]}, {"type": "enum", "name": "E", "symbols": ["a", "b"]}, False),
        ({"type": "string", "logicalType": "uuid"}, "string", True),
    ],
)
def test_the_rules_of_schema_resolution(reader: object, writer: object, fine: bool) -> None:  # noqa: FBT001 - a table's column
    """Promotions, unions, maps, fixed and enums as the specification has them."""
    assert (unreadable(reader, writer) == []) is fine


def test_a_recursive_schema_ends() -> None:
    """Schemas that mention themselves are compared in finite time."""
    schema = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"], "default": None}]}
    bare = json.loads(schema_text(UPLOADED))
    assert unreadable(bare, schema) != []


@pytest.mark.parametrize("record", RECORDS)
def test_our_files_read_themselves(record: str) -> None:
    """Each file is compatible with itself."""
    schema = json.loads(schema_text(record))
    assert unreadable(schema, schema) == []


def test_the_real_registry_agrees(stack: Stack, unique: Callable[[str], str]) -> None:
    """For every change above, the registry under FULL_TRANSITIVE accepts exactly what we find nothing against."""
    subjects = {record: unique(record) for record in RECORDS}
    with Registry(RegistryAccess(stack.registry_url)) as registry:
        for record, subject in subjects.items():
            registry.register(subject, schema_text(record))
        for name, record, change, backward, forward in CHANGES:
            _, new = changed(record, change)
            assert registry.accepts(subjects[record], json.dumps(new)) is not bool(backward or forward), name
