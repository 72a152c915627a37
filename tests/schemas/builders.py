"""Events to test with: one full and one minimal of every record type, strategies for any, and a registry in memory."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from hypothesis import strategies as st

from schemas.avro_files import schema_text
from schemas.codec import Codec, NotRegistered
from schemas.errors import Permanent, Reason
from schemas.events import (
    Attributes,
    Cause,
    Event,
    FocusPoint,
    ImageDeleted,
    ImageFailed,
    ImageReady,
    ImageRemoved,
    ImageUploaded,
    Source,
    SourceFacts,
    Timings,
    Variant,
)
from schemas.topics import DELETED, FAILED, READY, REMOVED, UPLOADED, Topics

if TYPE_CHECKING:
    from collections.abc import Iterable

TOPICS = Topics()
TOPIC_OF = {
    UPLOADED: TOPICS.uploaded.name,
    DELETED: TOPICS.uploaded.name,
    READY: TOPICS.ready.name,
    FAILED: TOPICS.failed.name,
    REMOVED: TOPICS.deleted.name,
}
NOON = datetime(2026, 3, 4, 12, 30, 15, 123456, tzinfo=UTC)
HLC = (1_772_627_415_123 << 16) + 7
SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
CAUSE = Cause("images.uploaded", 11, 4_000_000_000, UUID(int=0xC0FFEE), "spring-2026")

FULL: dict[str, Event] = {
    UPLOADED: ImageUploaded(
        event_id=UUID("5f0c2a44-13c5-4a27-9c0b-0d9f1c8f3b11"),
        tenant="acme/eu",
        image_id="Katze №7 🐈.jpg",
        source=Source("uploads", "acme/7.jpg", 3_000_000_000, "v1", "d41d8cd9", SHA, "image/jpeg"),
        recipe="web",
        uploaded_at=NOON,
        hlc=HLC,
        region="eu-central",
        attributes=Attributes(FocusPoint(0.25, 1.0), "Eine Katze", {"campaign": "spring", "": "empty name"}),
    ),
    DELETED: ImageDeleted(UUID(int=1), "acme", "7", NOON, HLC, "asked by its owner"),
    READY: ImageReady(
        event_id=UUID(int=2),
        cause=CAUSE,
        tenant="acme",
        image_id="7",
        hlc=HLC,
        source_sha256=SHA,
        recipe="web",
        fingerprint="0123456789abcdef",
        variants=(
            Variant("large", "darkroom", "acme/7/l.webp", "image/webp", 1280, 960, 123_456, SHA, 80, "target"),
            Variant("small", "darkroom", "acme/7/s.webp", "image/webp", 320, 240, 12_345, SHA[::-1]),
        ),
        source=SourceFacts("jpeg", 4000, 3000, 1, has_alpha=False, colour_space="srgb"),
        uploaded_at=NOON,
        thumbhash=bytes(range(25)),
        dominant_colour="#a0b1c2",
        deduplicated=True,
        timings=Timings(1.5, 2.25, 300.125, 0.0),
        perceptual_hash="00ff00ff12345678",
    ),
    FAILED: ImageFailed(
        event_id=UUID(int=3),
        cause=CAUSE,
        reason=Reason.TRUNCATED,
        detail="Datei endet bei 60 %",
        attempts=3,
        failed_at=NOON,
        tenant="acme",
        image_id="7",
        hlc=HLC,
        recipe="web",
        original=b"\x00\x01not avro",
        original_ref="darkroom/originals/1",
    ),
    REMOVED: ImageRemoved(UUID(int=4), CAUSE, "acme", "7", HLC, 12, NOON, "asked by its owner"),
}
_BARE = Cause("images.uploaded", 0, 0)
MINIMAL: dict[str, Event] = {
    UPLOADED: ImageUploaded(UUID(int=5), "t", "i", Source("b", "k", 0), "web", NOON, 1),
    DELETED: ImageDeleted(UUID(int=6), "t", "i", NOON, 1),
    READY: ImageReady(
        UUID(int=7),
        _BARE,
        "t",
        "i",
        1,
        SHA,
        "web",
        "0" * 16,
        (),
        SourceFacts("png", 1, 1, 1, has_alpha=True, colour_space="b-w"),
        NOON,
    ),
    FAILED: ImageFailed(UUID(int=8), _BARE, Reason.INVALID_EVENT, "", 0, NOON),
    REMOVED: ImageRemoved(UUID(int=9), _BARE, "t", "i", 1, 0, NOON),
}


class MemorySource:
    """A registry in memory: hands out ids, never takes one back, and registers nothing on a look-up."""

    def __init__(self) -> None:
        self.texts: dict[int, str] = {}
        self.asked = 0
        self._ids: dict[tuple[str, str], int] = {}

    def register(self, subject: str, schema: str) -> int:
        schema_id = self._ids.setdefault((subject, schema), len(self._ids) + 1)
        self.texts[schema_id] = schema
        return schema_id

    def schema_by_id(self, schema_id: int) -> str:
        self.asked += 1
        if schema_id not in self.texts:
            raise Permanent(Reason.INVALID_EVENT, f"schema id {schema_id} is not in the registry")
        return self.texts[schema_id]

    def schema_id(self, subject: str, schema: str) -> int:
        self.asked += 1
        if (subject, schema) not in self._ids:
            raise NotRegistered("registry", f"{subject} is not registered: run `darkroom schemas register`")
        return self._ids[subject, schema]


def registered_source(topics: Topics = TOPICS) -> MemorySource:
    """Return a registry that knows every subject of the catalogue."""
    source = MemorySource()
    for topic in topics.all:
        for record in topic.records:
            source.register(topic.subject(record), schema_text(record))
    return source


def new_codec() -> Codec:
    """Return a codec with everything registered."""
    return Codec(registered_source(), TOPICS)


def as_json(event: Event) -> dict[str, Any]:
    """Return the event as JSON values, for recorded expectations."""
    return {name: _jsonable(value) for name, value in asdict(event).items()}


def _jsonable(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {name: _jsonable(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, (UUID, Reason)) else value


TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)
INTS = st.integers(0, 2**31 - 1)
LONGS = st.integers(0, 2**63 - 1)
TIMES = st.datetimes(timezones=st.just(UTC))


def _build(cls: type, overrides: Iterable[tuple[str, st.SearchStrategy[Any]]]) -> st.SearchStrategy[Any]:
    known = dict(overrides)
    return st.builds(cls, **{item.name: known[item.name] for item in fields(cls)})


def _optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


SOURCES = st.builds(
    Source, TEXTS, TEXTS, LONGS, _optional(TEXTS), _optional(TEXTS), _optional(TEXTS), _optional(TEXTS)
)  # fmt: skip
_FOCUS = st.builds(FocusPoint, st.floats(0, 1), st.floats(0, 1))
_ATTRIBUTES = st.builds(Attributes, _optional(_FOCUS), _optional(TEXTS), st.dictionaries(TEXTS, TEXTS, max_size=3))
_CAUSES = st.builds(Cause, TEXTS, INTS, LONGS, _optional(st.uuids()), _optional(TEXTS))
_VARIANTS = st.builds(
    Variant, TEXTS, TEXTS, TEXTS, TEXTS, INTS, INTS, LONGS, TEXTS, _optional(INTS), TEXTS
)  # fmt: skip
_FACTS = st.builds(SourceFacts, TEXTS, INTS, INTS, INTS, st.booleans(), TEXTS)
_MS = st.floats(0, 1e9)
_COMMON = {"event_id": st.uuids(), "tenant": TEXTS, "image_id": TEXTS, "hlc": LONGS, "recipe": TEXTS, "cause": _CAUSES}

EVENTS: dict[str, st.SearchStrategy[Event]] = {
    UPLOADED: _build(
        ImageUploaded,
        {**_COMMON, "source": SOURCES, "uploaded_at": TIMES, "region": TEXTS, "attributes": _ATTRIBUTES}.items(),
    ),
    DELETED: _build(ImageDeleted, {**_COMMON, "requested_at": TIMES, "reason": TEXTS}.items()),
    READY: _build(
        ImageReady,
        {
            **_COMMON,
            "source_sha256": TEXTS,
            "fingerprint": TEXTS,
            "variants": st.lists(_VARIANTS, max_size=3).map(tuple),
            "source": _FACTS,
            "uploaded_at": TIMES,
            "thumbhash": st.binary(max_size=30),
            "dominant_colour": TEXTS,
            "deduplicated": st.booleans(),
            "timings": st.builds(Timings, _MS, _MS, _MS, _MS),
            "perceptual_hash": TEXTS,
        }.items(),
    ),
    FAILED: _build(
        ImageFailed,
        {
            **_COMMON,
            "reason": st.sampled_from(Reason),
            "detail": TEXTS,
            "attempts": INTS,
            "failed_at": TIMES,
            "tenant": _optional(TEXTS),
            "image_id": _optional(TEXTS),
            "recipe": _optional(TEXTS),
            "original": _optional(st.binary(max_size=100)),
            "original_ref": _optional(TEXTS),
        }.items(),
    ),
    REMOVED: _build(ImageRemoved, {**_COMMON, "removed_objects": INTS, "removed_at": TIMES, "reason": TEXTS}.items()),
}
