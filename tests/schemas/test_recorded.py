"""Bytes that a past version wrote are read for ever: what is in ``recorded/`` is only ever added to.

A change of an Avro file adds a folder: write it with ``python -m tests.schemas.record vN``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from schemas.avro_files import RECORDS, schema_text
from schemas.codec import Codec
from schemas.compatibility import unreadable
from tests.schemas.builders import TOPIC_OF, TOPICS, MemorySource, as_json
from tests.schemas.record import ID_OF, RECORDED, version_number

if TYPE_CHECKING:
    from pathlib import Path

VERSIONS = sorted((folder.name for folder in RECORDED.iterdir() if folder.is_dir()), key=version_number)
FILES = [pytest.param(path, id=f"{path.parent.name}-{path.stem}") for path in sorted(RECORDED.glob("v*/*.json"))]


def schema_beside(path: Path) -> str:
    """Return the Avro file as it was when the bytes were written."""
    return path.with_suffix(".avsc").read_text()


@pytest.mark.parametrize("path", FILES)
def test_recorded_bytes_are_read(path: Path) -> None:
    """Every recorded value decodes to the very event that was written."""
    source = MemorySource()
    source.texts[ID_OF[path.stem]] = schema_beside(path)
    codec = Codec(source, TOPICS)
    cases: list[dict[str, Any]] = json.loads(path.read_text())
    for case in cases:
        event = codec.decode(TOPIC_OF[path.stem], bytes.fromhex(case["value"]))
        assert _as_then(as_json(event), case["event"]) == case["event"], case["case"]


def _as_then(read: Any, recorded: Any) -> Any:  # noqa: ANN401 - JSON
    """Leave out fields that came later, wherever they are: they have their defaults, which no recording can know."""
    if isinstance(read, dict) and isinstance(recorded, dict):
        return {name: _as_then(value, recorded[name]) for name, value in read.items() if name in recorded}
    if isinstance(read, list) and isinstance(recorded, list) and len(read) == len(recorded):
        return [_as_then(one, other) for one, other in zip(read, recorded, strict=True)]
    return read


@pytest.mark.parametrize("path", FILES)
def test_recorded_schemas_are_fully_compatible(path: Path) -> None:
    """Ours reads theirs and theirs ours, whatever lies between: a fleet of both releases is correct."""
    ours, theirs = json.loads(schema_text(path.stem)), json.loads(schema_beside(path))
    assert unreadable(ours, theirs) == []
    assert unreadable(theirs, ours) == []


@pytest.mark.parametrize("record", RECORDS)
def test_every_version_of_a_file_is_recorded(record: str) -> None:
    """The newest recording is of the file as it stands, so nobody changes a file without recording it."""
    assert schema_beside(RECORDED / VERSIONS[-1] / f"{record}.json") == schema_text(record)
