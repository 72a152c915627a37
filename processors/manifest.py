"""The two JSON documents about an image in the store, as values: the manifest and the ``current`` pointer.

A manifest says what one source yielded at one fingerprint; its presence means "done". The pointer names the newest
manifest, or says that the image was deleted. Reading is tolerant: unknown fields are left aside for releases to come,
and a document that makes no sense counts as absent, because both can be made again. Nothing here touches the store.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from schemas.events import FocusPoint, SourceFacts, Variant

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION: Final = 1
CONTENT_TYPE: Final = "application/json"
SENSELESS: Final = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the original lay when the newest of the uploads came."""

    bucket: str
    key: str
    version_id: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What one source yielded at one fingerprint, in one life."""

    source_sha256: str
    recipe: str
    fingerprint: str
    hlc: int
    """Of the newest upload that was answered from it: a delete older than this leaves it and its variants alone."""
    variants: tuple[Variant, ...]
    source: SourceFacts
    thumbhash: bytes
    dominant_colour: str
    perceptual_hash: str = ""
    engine: Mapping[str, str] = field(default_factory=dict)
    """Versions of what rendered it; they explain, they invalidate nothing."""
    origin: Origin | None = None
    """None in manifests of releases before 0.2; with it the variants can be made again without asking Kafka."""
    focus: FocusPoint | None = None
    """The attribute that they were rendered with; it is part of the fingerprint where the recipe reads it."""


@dataclass(frozen=True, slots=True)
class Current:
    """The newest news about an image. A convenience; the events are the truth."""

    hlc: int
    life: int
    manifest: str | None
    """Key of the manifest; None: the image was deleted."""
    source_sha256: str | None = None
    recipe: str | None = None
    fingerprint: str | None = None

    def yields_to(self, other: Current) -> bool:
        """Say whether ``other`` replaces this: newer news, or the same upload made again (a replay, a later life)."""
        return self._rank() <= other._rank()

    def _rank(self) -> tuple[int, bool, int]:
        """A delete removes what is older than itself, so at the same hlc the upload stays."""
        return (self.hlc, self.manifest is not None, self.life)


def write_manifest(manifest: Manifest) -> bytes:
    """Return the document; the same value gives the same bytes."""
    return _write(
        {
            "version": VERSION,
            "source_sha256": manifest.source_sha256,
            "recipe": manifest.recipe,
            "fingerprint": manifest.fingerprint,
            "hlc": manifest.hlc,
            "variants": {each.name: _plain_variant(each) for each in manifest.variants},
            "source": {name: getattr(manifest.source, name) for name in SourceFacts.__slots__},
            "thumbhash": b64encode(manifest.thumbhash).decode(),
            "dominant_colour": manifest.dominant_colour,
            "perceptual_hash": manifest.perceptual_hash,
            "engine": dict(sorted(manifest.engine.items())),
            "origin": manifest.origin and {name: getattr(manifest.origin, name) for name in Origin.__slots__},
            "focus": manifest.focus and {"x": manifest.focus.x, "y": manifest.focus.y},
        }
    )


def read_manifest(data: bytes, bucket: str, prefix: str) -> Manifest | None:
    """Return the manifest found below ``prefix``; None if it makes no sense or names objects outside of it."""
    try:
        plain = json.loads(data)
        manifest = Manifest(
            source_sha256=_text(plain["source_sha256"]),
            recipe=_text(plain["recipe"]),
            fingerprint=_text(plain["fingerprint"]),
            hlc=_number(plain["hlc"]),
            variants=tuple(_variant(name, each, bucket) for name, each in plain["variants"].items()),
            source=_facts(plain["source"]),
            thumbhash=b64decode(plain["thumbhash"], validate=True),
            dominant_colour=_text(plain["dominant_colour"]),
            perceptual_hash=_text(plain.get("perceptual_hash", "")),
            engine={_text(name): _text(version) for name, version in plain.get("engine", {}).items()},
            origin=_origin(plain.get("origin")),
            focus=_focus(plain.get("focus")),
        )
    except SENSELESS:
        return None
    inside = all(each.key.startswith(prefix) for each in manifest.variants)
    return manifest if manifest.variants and inside else None


def write_current(current: Current) -> bytes:
    """Return the document; the same value gives the same bytes."""
    return _write({"version": VERSION} | {name: getattr(current, name) for name in Current.__slots__})


def read_current(data: bytes) -> Current | None:
    """Return the pointer, None if the document makes no sense."""
    try:
        plain = json.loads(data)
        texts = {name: _text_or_none(plain[name]) for name in ("manifest", "source_sha256", "recipe", "fingerprint")}
        return Current(hlc=_number(plain["hlc"]), life=_number(plain["life"]), **texts)
    except SENSELESS:
        return None


def _write(plain: dict[str, Any]) -> bytes:
    return json.dumps(plain, indent=1, ensure_ascii=False).encode() + b"\n"


def _plain_variant(variant: Variant) -> dict[str, Any]:
    return {name: getattr(variant, name) for name in Variant.__slots__ if name not in {"name", "bucket"}}


def _variant(name: object, plain: dict[str, Any], bucket: str) -> Variant:
    return Variant(
        name=_text(name),
        bucket=bucket,
        key=_text(plain["key"]),
        content_type=_text(plain["content_type"]),
        width=_number(plain["width"]),
        height=_number(plain["height"]),
        bytes=_number(plain["bytes"]),
        sha256=_text(plain["sha256"]),
        quality=None if plain.get("quality") is None else _number(plain["quality"]),
        missed=_text(plain.get("missed", "")),
    )


def _facts(plain: dict[str, Any]) -> SourceFacts:
    return SourceFacts(
        format=_text(plain["format"]),
        width=_number(plain["width"]),
        height=_number(plain["height"]),
        frames=_number(plain["frames"]),
        has_alpha=bool(plain["has_alpha"]),
        colour_space=_text(plain["colour_space"]),
    )


def _origin(plain: dict[str, Any] | None) -> Origin | None:
    if plain is None:
        return None
    return Origin(_text(plain["bucket"]), _text(plain["key"]), _text_or_none(plain["version_id"]))


def _focus(plain: dict[str, Any] | None) -> FocusPoint | None:
    return None if plain is None else FocusPoint(_share(plain["x"]), _share(plain["y"]))


def _share(value: object) -> float:
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise TypeError
    return float(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError
    return value
