"""The typed events: one frozen dataclass for every Avro record in ``schemas/avro``.

A test holds classes and files to each other field by field. Times are timezone-aware UTC datetimes (microseconds),
``hlc`` is a hybrid logical clock as one integer (milliseconds since the epoch, shifted left by 16, plus a counter),
sizes are bytes, widths and heights are pixels after orientation.
"""

from __future__ import annotations

# The codec reads these type hints at run time, so none of these imports may hide behind TYPE_CHECKING.
from collections.abc import Mapping  # noqa: TC003
from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003
from uuid import UUID  # noqa: TC003

from schemas.errors import Reason  # noqa: TC001


@dataclass(frozen=True, slots=True)
class Source:
    """Where the uploaded bytes are (a claim check: an event never carries pixels)."""

    bucket: str
    key: str
    size: int
    version_id: str | None = None
    etag: str | None = None
    sha256: str | None = None
    """Lower-case hex of the bytes; absent, the worker fetches and hashes first."""
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class FocusPoint:
    """The part of the image that must stay visible, as fractions of width and height from the top left, 0 to 1."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Attributes:
    """What the uploader knows about the image."""

    focus: FocusPoint | None = None
    alt_text: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImageUploaded:
    """An image was uploaded and wants its variants."""

    event_id: UUID
    tenant: str
    image_id: str
    source: Source
    recipe: str
    uploaded_at: datetime
    hlc: int
    region: str = ""
    attributes: Attributes = field(default_factory=Attributes)


@dataclass(frozen=True, slots=True)
class ImageDeleted:
    """An image shall go, with every variant made of uploads older than ``hlc``. Published to the input topics."""

    event_id: UUID
    tenant: str
    image_id: str
    requested_at: datetime
    hlc: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    """The input that an output answers."""

    topic: str
    partition: int
    offset: int
    event_id: UUID | None = None
    """None only where the input could not be decoded."""
    replay_id: str | None = None


@dataclass(frozen=True, slots=True)
class Variant:
    """One rendered image in the store; its key contains the hash of its bytes, so it never changes."""

    name: str
    bucket: str
    key: str
    content_type: str
    width: int
    height: int
    bytes: int
    sha256: str
    quality: int | None = None
    """What the encoder was given, 1 to 100; None for a lossless variant."""
    missed: str = ""
    """``target`` or ``max_bytes`` where no quality reached what the recipe asks for; else empty."""


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What the source turned out to be."""

    format: str
    width: int
    height: int
    frames: int
    has_alpha: bool
    colour_space: str


@dataclass(frozen=True, slots=True)
class Timings:
    """Where the time went, in milliseconds; 0 for what was not done."""

    fetch_ms: float = 0.0
    inspect_ms: float = 0.0
    render_ms: float = 0.0
    put_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class ImageReady:
    """Every variant of one upload at one recipe is in the store."""

    event_id: UUID
    cause: Cause
    tenant: str
    image_id: str
    hlc: int
    source_sha256: str
    recipe: str
    fingerprint: str
    variants: tuple[Variant, ...]
    source: SourceFacts
    uploaded_at: datetime
    """When the answered upload was published: freshness is this event's time less this."""
    thumbhash: bytes = b""
    dominant_colour: str = ""
    """``#rrggbb``."""
    deduplicated: bool = False
    """True if the manifest was there already and nothing was rendered."""
    timings: Timings = field(default_factory=Timings)
    perceptual_hash: str = ""
    """16 hex digits; near-duplicates differ in few of the 64 bits. Empty if there is none."""


@dataclass(frozen=True, slots=True)
class ImageFailed:
    """An input got no variants, and why."""

    event_id: UUID
    cause: Cause
    reason: Reason
    detail: str
    attempts: int
    failed_at: datetime
    tenant: str | None = None
    image_id: str | None = None
    hlc: int = 0
    recipe: str | None = None
    original: bytes | None = None
    """The whole value of an event that could not be decoded."""
    original_ref: str | None = None
    """``bucket/key`` of the original where it is too large for the topic."""


@dataclass(frozen=True, slots=True)
class ImageRemoved:
    """What a delete removed."""

    event_id: UUID
    cause: Cause
    tenant: str
    image_id: str
    hlc: int
    removed_objects: int
    removed_at: datetime
    reason: str = ""


Input = ImageUploaded | ImageDeleted
Output = ImageReady | ImageFailed | ImageRemoved
Event = Input | Output
