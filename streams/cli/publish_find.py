"""What `publish` is to publish: files, folders and globs, or objects of a bucket, each with its tenant and id.

Finds and names; publishes nothing.
"""

from __future__ import annotations

import glob
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from schemas.errors import Permanent
from schemas.ids import decode_id
from streams.cli.failures import usage
from streams.client.uploads import ObjectRef, Upload

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streams.client.ports import ObjectStore

SCHEME: Final = "s3://"
DEFAULT_TENANT: Final = "default"
_IMAGES: Final = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".avif", ".heic", ".heif", ".tif", ".tiff", ".mpo",
    ".bmp", ".svg",
})  # fmt: skip
_PLACEHOLDERS: Final = {"tenant": "(?P<tenant>[^/]+)", "id": "(?P<id>[^/]+?)", "ext": r"[^./]+", "*": "[^/]+"}
_OURS: Final = re.compile(r"([^/]+)/([^/]+)/[0-9a-f]{64}\.\w+")
"""A key that `Publisher` made: tenant and id, encoded, and the hash of the bytes."""


@dataclass(frozen=True, slots=True)
class Naming:
    """How tenant and id follow from a path: a pattern's parts win over what is given for all."""

    tenant: str | None
    pattern: str | None = None
    image_id: str | None = None

    def check(self) -> None:
        """Raise a usage error for a pattern that can fit nothing."""
        if self.pattern is not None:
            _compiled(self.pattern)

    def of_key(self, key: str) -> tuple[str, str]:
        """Return tenant and id of an object; what a publisher uploaded is recognised without a pattern."""
        ours = None if self.pattern else _OURS.fullmatch(key)
        try:
            return (decode_id(ours[1]), decode_id(ours[2])) if ours else self.of(key)
        except Permanent:  # somebody else's key that only looks like one of ours
            return self.of(key)

    def of(self, path: str) -> tuple[str, str]:
        """Return tenant and id of a path (with ``/``). Raise a usage error if the pattern does not fit."""
        parts = {} if self.pattern is None else _matched(self.pattern, path)
        return parts.get("tenant") or self.tenant or DEFAULT_TENANT, self.image_id or parts.get("id") or path


@dataclass(frozen=True, slots=True)
class Bucket:
    """Objects of a bucket under a prefix."""

    name: str
    prefix: str

    @classmethod
    def read(cls, text: str) -> Bucket:
        """Read ``s3://bucket/prefix``."""
        name, _, prefix = text.removeprefix(SCHEME).partition("/")
        if not name:
            raise usage(f"{text!r} names no bucket: write s3://bucket/prefix")
        return cls(name, prefix)


def expand(paths: Sequence[str]) -> tuple[list[tuple[Path, str]], int]:
    """Return every file with the path that names it, and how many files of folders do not look like images."""
    found: dict[Path, str] = {}
    skipped = 0
    for text in paths:
        matches = sorted(glob.glob(text, recursive=True)) if glob.has_magic(text) else [text]  # noqa: PTH207  a pattern of the shell's kind
        if not matches or not Path(matches[0]).exists():
            raise usage(f"no such file or folder: {text}")
        for match in matches:
            path = Path(match)
            if not path.is_dir():
                found.setdefault(path, path.name if path.is_absolute() or ".." in path.parts else path.as_posix())
                continue
            for inner in _files(path):
                if inner.suffix.lower() in _IMAGES:
                    found.setdefault(inner, inner.relative_to(path).as_posix())
                else:
                    skipped += 1
    return list(found.items()), skipped


def files(paths: Sequence[str], naming: Naming, template: Upload) -> tuple[list[Upload], int]:
    """Return an upload for each file, and how many files were left. Raise a usage error if two would be one image."""
    found, skipped = expand(paths)
    if naming.image_id is not None and len(found) > 1:
        raise usage(f"--id names one image, but there are {len(found)} files")
    seen: dict[tuple[str, str], Path] = {}
    for path, name in found:
        image = naming.of(name)
        other = seen.setdefault(image, path)
        if other != path:
            raise usage(f"{other} and {path} would both be image {'/'.join(image)}")
    return [
        replace(template, content=path, tenant=image[0], image_id=image[1]) for image, path in seen.items()
    ], skipped


def objects(
    store: ObjectStore, bucket: Bucket, naming: Naming, template: Upload, *, after: str = ""
) -> Iterator[tuple[str, Upload]]:
    """Yield an upload for each object after a key, in the order of keys; nothing is copied."""
    for entry in store.entries(bucket.name, bucket.prefix, start_after=after):
        if entry.key.endswith("/"):
            continue
        tenant, image_id = naming.of_key(entry.key)
        ref = ObjectRef(bucket.name, entry.key)
        yield entry.key, replace(template, content=ref, tenant=tenant, image_id=image_id)


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            yield path


def _matched(pattern: str, path: str) -> dict[str, str]:
    found = _compiled(pattern).search(path)
    if found is None:
        raise usage(f"{path} does not fit --pattern {pattern}")
    return found.groupdict()


def _compiled(pattern: str) -> re.Pattern[str]:
    pieces = re.split(r"\{(\w+|\*)\}", pattern)
    unknown = sorted(set(pieces[1::2]) - set(_PLACEHOLDERS))
    if unknown:
        raise usage(f"--pattern {pattern}: {{{unknown[0]}}} is none of {{tenant}}, {{id}}, {{ext}}, {{*}}")
    texts = [re.escape(piece) if index % 2 == 0 else _PLACEHOLDERS[piece] for index, piece in enumerate(pieces)]
    return re.compile(f"(?:^|/){''.join(texts)}$")
