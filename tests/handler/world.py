"""A small world for the handler: a real store that can be watched and cut, a renderer that only reckons, a clock."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final, TypeVar
from uuid import UUID, uuid5

from processors.facts import Facts, SourceFormat
from processors.fingerprint import fingerprint
from processors.handler import ImageHandler
from processors.manifest import Current, read_current
from processors.policy import AllowedSource, SourcePolicy
from processors.ports import Rendered, RenderedVariant
from processors.recipe import Format, Recipe, VariantSpec
from schemas.errors import Permanent, Reason
from schemas.events import (
    Attributes,
    Cause,
    ImageDeleted,
    ImageReady,
    ImageUploaded,
    Output,
    Source,
    Timings,
    Variant,
)
from schemas.ids import current_key, source_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from processors.ports import Blob, Store

T = TypeVar("T")

NOON: Final = datetime(2026, 3, 4, 12, 30, 15, 123456, tzinfo=UTC)
HLC: Final = int(NOON.timestamp() * 1000) << 16
UPLOADS: Final = "uploads"
BUCKET: Final = "darkroom"
PHOTO: Final = b"a photograph, as far as this renderer can tell"
IDS: Final = UUID("7c7d1c39-7b1a-4b5b-9d7e-2f5d0b0f2a11")


def spec(name: str, width: int = 320) -> VariantSpec:
    """Return a variant of a recipe."""
    return VariantSpec(name, Format.WEBP, quality=80, effort=2, width=width)


WEB: Final = Recipe("web", (spec("large", 1280), spec("small")))
AVATAR: Final = Recipe("avatar", (spec("face", 96),))
RECIPES: Final = {"web": WEB, "avatar": AVATAR}


class Ticks:
    """A clock that stands still but for the milliseconds that somebody adds."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class TinyRenderer:
    """Variants are hashes of source, name and size: deterministic, different for different input, and quick."""

    def __init__(self, ticks: Ticks | None = None) -> None:
        self.inspected = 0
        self.rendered = 0
        self._ticks = ticks or Ticks()

    def inspect(self, data: bytes) -> Facts:
        self.inspected += 1
        self._ticks.seconds += 0.002
        if data.startswith(b"broken"):
            raise Permanent(Reason.TRUNCATED, "it is broken")
        return Facts(SourceFormat.JPEG, 4000, 3000, 1, False, "srgb", 1, False, False, 8, 36_000_000)  # noqa: FBT003 - facts in order

    def render(self, data: bytes, facts: Facts, recipe: Recipe, attributes: Attributes) -> Rendered:  # noqa: ARG002 - it needs no facts
        self.rendered += 1
        self._ticks.seconds += 0.2
        return Rendered(
            variants=tuple(self._variant(data, each, attributes) for each in recipe.variants),
            thumbhash=sha256(data).digest()[:21],
            dominant_colour="#a0b1c2",
        )

    @staticmethod
    def _variant(data: bytes, each: VariantSpec, attributes: Attributes) -> RenderedVariant:
        pixels = sha256(data + repr((each, attributes.focus)).encode()).digest() * 3
        return RenderedVariant(each.name, pixels, "image/webp", "webp", each.width or 0, 240)


class Crash(BaseException):
    """The process is gone."""


class WatchedStore:
    """A store that numbers its requests from 1, tells somebody before and after each, and writes a protocol."""

    def __init__(self, store: Store, before: Callable[[int], None] | None = None) -> None:
        self.requests: list[str] = []
        self.after: Callable[[int], None] = _nothing
        self.before: Callable[[int], None] = before or _nothing
        self._store = store

    def fetch(self, bucket: str, key: str, *, limit: int, version_id: str | None = None) -> Blob | None:
        return self._asked("fetch", lambda: self._store.fetch(bucket, key, limit=limit, version_id=version_id))

    def put(self, bucket: str, key: str, data: bytes, *, content_type: str, cache_control: str = "") -> None:
        self._asked(
            "put", lambda: self._store.put(bucket, key, data, content_type=content_type, cache_control=cache_control)
        )

    def replace(self, bucket: str, key: str, data: bytes, *, expected: str | None, content_type: str) -> bool:
        return self._asked(
            "replace",
            lambda: self._store.replace(bucket, key, data, expected=expected, content_type=content_type),
        )

    def list(self, bucket: str, prefix: str, *, start_after: str = "") -> Iterator[str]:
        return iter(self._asked("list", lambda: [*self._store.list(bucket, prefix, start_after=start_after)]))

    def remove(self, bucket: str, keys: Iterable[str]) -> int:
        return self._asked("remove", lambda: self._store.remove(bucket, keys))

    def check(self) -> None:
        self._store.check()

    def _asked(self, what: str, do: Callable[[], T]) -> T:
        self.requests.append(what)
        number = len(self.requests)
        self.before(number)
        result = do()
        self.after(number)
        return result


def _nothing(_: int) -> None:
    """Nobody is told."""


@dataclass(frozen=True)
class World:
    """A store with an upload bucket, and events that fit it."""

    store: Store
    bucket: str = BUCKET
    uploads: str = UPLOADS
    tenant: str = "acme"
    image_id: str = "cat 7"
    renderer: TinyRenderer = field(default_factory=TinyRenderer)
    ticks: Ticks = field(default_factory=Ticks)

    def handler(self, store: Store | None = None, **others: object) -> ImageHandler:
        """Return a handler on this world's store, or on that store in front of it."""
        parts: dict[str, object] = {
            "renderer": self.renderer,
            "recipes": RECIPES,
            "policy": SourcePolicy((AllowedSource(self.uploads),)),
            "clock": self.ticks,
            "bucket": self.bucket,
            "max_source_bytes": 1_000_000,
        }
        return ImageHandler(store or self.store, **(parts | others))  # type: ignore[arg-type]  # any part can be exchanged

    def uploaded(
        self, data: bytes = PHOTO, *, hlc: int = HLC, recipe: str = "web", hashed: bool = True
    ) -> ImageUploaded:
        """Put a source into the upload bucket and return the event that points to it."""
        digest = sha256(data).hexdigest()
        key = source_key(self.tenant, self.image_id, digest, "jpg")
        self.store.put(self.uploads, key, data, content_type="image/jpeg")
        return ImageUploaded(
            event_id=uuid5(IDS, f"upload {digest} {hlc} {recipe}"),
            tenant=self.tenant,
            image_id=self.image_id,
            source=Source(self.uploads, key, len(data), sha256=digest if hashed else None),
            recipe=recipe,
            uploaded_at=NOON,
            hlc=hlc,
        )

    def deleted(self, *, hlc: int = HLC + 10) -> ImageDeleted:
        """Return a delete of the image."""
        return ImageDeleted(uuid5(IDS, f"delete {hlc}"), self.tenant, self.image_id, NOON, hlc, "asked for")

    def objects(self) -> dict[str, bytes]:
        """Return everything about the image; manifests name the upload bucket, which each world calls its own."""
        own, common = self.uploads.encode(), UPLOADS.encode()
        return {key: self.bytes_of(key).replace(own, common) for key in self.store.list(self.bucket, "")}

    def bytes_of(self, key: str) -> bytes:
        """Return one object that must be there."""
        blob = self.store.fetch(self.bucket, key, limit=1_000_000)
        assert blob is not None, f"{key} is missing"
        return blob.data

    def current(self) -> Current | None:
        """Return the image's pointer."""
        blob = self.store.fetch(self.bucket, current_key(self.tenant, self.image_id), limit=1_000_000)
        return None if blob is None else read_current(blob.data)

    def is_whole(self, variant: Variant) -> bool:
        """Say whether the variant is in the store, with the bytes that were announced."""
        blob = self.store.fetch(variant.bucket, variant.key, limit=1_000_000)
        return blob is not None and sha256(blob.data).hexdigest() == variant.sha256


def cause_of(event: ImageUploaded | ImageDeleted, replay_id: str | None = None) -> Cause:
    """Return where the event came from."""
    return Cause("images.uploaded", 3, 42, event.event_id, replay_id)


def web_fingerprint() -> str:
    """Return the fingerprint of the recipe "web" without attributes."""
    return fingerprint(WEB, Attributes())


def news(event: Output) -> Output:
    """Return what an event says about the image, without how the work went."""
    return replace(event, deduplicated=False, timings=Timings()) if isinstance(event, ImageReady) else event
