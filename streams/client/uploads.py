"""What to publish, as values: where the bytes are now, what kind they seem to be, and how they are told apart.

The kind is a label for the object only (extension and content type); the worker looks at the bytes themselves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from schemas.events import Attributes

if TYPE_CHECKING:
    from uuid import UUID

Lane = Literal["uploaded", "bulk"]
"""``uploaded``: somebody waits for it. ``bulk``: imports, which never slow the others."""

_EXTENSION: Final = re.compile(r"[a-z0-9]{1,8}", re.ASCII)
_CONTENT_TYPES: Final = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "avif": "image/avif",
    "heic": "image/heic",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "svg": "image/svg+xml",
}
_MAGICS: Final = {
    b"\xff\xd8\xff": "jpg",
    b"\x89PNG\r\n\x1a\n": "png",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
    b"II*\x00": "tif",
    b"MM\x00*": "tif",
}
_BRANDS: Final = {b"avif": "avif", b"avis": "avif", b"heic": "heic", b"mif1": "heic"}
_UNKNOWN: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """An object that is in a bucket already."""

    bucket: str
    key: str
    version_id: str | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """One image to publish."""

    content: Path | bytes | ObjectRef
    """A file to upload, bytes to upload, or an object that is in a bucket the workers may read."""
    tenant: str
    image_id: str
    recipe: str | None = None
    """None: the configured default."""
    lane: Lane = "uploaded"
    attributes: Attributes = field(default_factory=Attributes)
    content_type: str | None = None
    """None: by the file's name or the first bytes."""
    event_id: UUID | None = None
    """Give the id of an earlier publish to repeat THAT one; None makes a new one."""
    hlc: int | None = None
    """Likewise; None: now."""
    traceparent: str | None = None
    """W3C trace context to go on with; None starts a trace."""


def kind_of(content: Path | bytes, content_type: str | None) -> tuple[str, str]:
    """Return extension and content type: as given, else by the file's name, else by the first bytes."""
    suffix = content.suffix.lower().removeprefix(".") if isinstance(content, Path) else ""
    if not _EXTENSION.fullmatch(suffix):
        suffix = _by_content_type(content_type) or (_by_bytes(content) if isinstance(content, bytes) else "bin")
    return suffix, content_type or _CONTENT_TYPES.get(suffix, _UNKNOWN)


def _by_content_type(content_type: str | None) -> str | None:
    return next((extension for extension, known in _CONTENT_TYPES.items() if known == content_type), None)


def _by_bytes(data: bytes) -> str:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12], "bin")
    return next((extension for magic, extension in _MAGICS.items() if data.startswith(magic)), "bin")
