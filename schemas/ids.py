"""Deterministic names: encoded ids, record keys, object keys and event ids.

Everything that ends up in a Kafka key or an object key passes `encode_id` first, so that no id, however hostile, leaves
its prefix, collides with another or is refused by the store: it is accepted here or it is ``invalid_event``. Nothing
here reads a clock or draws a random number, and nothing here talks to Kafka or the store.
"""

from __future__ import annotations

import re
import string
from typing import Final, Literal
from urllib.parse import unquote_to_bytes
from uuid import UUID, uuid5

from schemas.errors import Permanent, Reason

MAX_ID_BYTES: Final = 200
"""Longest id after percent-encoding; the store refuses path segments over 255 bytes and keys over 1024."""

MAX_VARIANT_NAME_BYTES: Final = 64
"""Longest variant name. The last segment of a variant's key then stays below 96 bytes and the longest key below 560."""

OutputKind = Literal["ready", "failed", "removed"]

_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9_~-]+(?:\.[A-Za-z0-9_~-]+)*", re.ASCII)
_SAFE: Final = frozenset((string.ascii_letters + string.digits + "-_.~").encode())
_ESCAPES: Final = tuple(chr(byte) if byte in _SAFE else f"%{byte:02X}" for byte in range(256))
_VARIANT_NAME: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_-]{{0,{MAX_VARIANT_NAME_BYTES - 1}}}", re.ASCII)
_EXTENSION: Final = re.compile(r"[a-z0-9]{1,8}", re.ASCII)
_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{16}", re.ASCII)

# MinIO refuses the first two anywhere in a key. It marks "directory objects" by the suffix and takes a prefix that ends
# in it for one: a listing from further up does not show what is below. Both are held by a test on a real MinIO.
_DOTS: Final = frozenset({".", ".."})
_DIRECTORY_SUFFIX: Final = "__XLDIR__"

# Any constant will do; it only has to stay the same for ever.
_UNDECODABLE: Final = UUID("6f3a0a51-7f0c-5a51-9d2b-3c1f5f0e8a77")

_HLC_LIMIT: Final = 1 << 63


def encode_id(raw: str) -> str:
    """Return the id as it stands in Kafka keys and object keys: percent-encoded UTF-8, one path segment.

    Letters, digits and ``-_.~`` stand for themselves, except in names that file systems or the store give a meaning of
    their own (``.``, ``..``, ``…__XLDIR__``). One id has exactly one encoding.
    Raise `Permanent` (``invalid_event``) for an id that is empty, no valid Unicode, or over `MAX_ID_BYTES` encoded.
    """
    if not 0 < len(raw) <= MAX_ID_BYTES:
        message = f"id has {len(raw)} characters, allowed are 1 to {MAX_ID_BYTES}"
        raise Permanent(Reason.INVALID_EVENT, message)
    if _PLAIN_ID.fullmatch(raw) and not raw.endswith(_DIRECTORY_SUFFIX):
        return raw
    try:
        data = raw.encode()
    except UnicodeEncodeError as error:
        message = f"id is no valid Unicode at character {error.start}"
        raise Permanent(Reason.INVALID_EVENT, message) from error
    encoded = "".join([_ESCAPES[byte] for byte in data])
    if encoded in _DOTS:
        encoded = encoded.replace(".", "%2E")
    elif encoded.endswith(_DIRECTORY_SUFFIX):
        encoded = f"{encoded[:-1]}%5F"
    if len(encoded) > MAX_ID_BYTES:
        message = f"id has {len(encoded)} bytes after percent-encoding, allowed are {MAX_ID_BYTES}"
        raise Permanent(Reason.INVALID_EVENT, message)
    return encoded


def decode_id(encoded: str) -> str:
    """Return the id that `encode_id` encoded. Raise `Permanent` for what `encode_id` would not have written."""
    try:
        raw = unquote_to_bytes(encoded).decode()
    except UnicodeError as error:
        message = f"{encoded[:MAX_ID_BYTES]!r} is no encoded id"
        raise Permanent(Reason.INVALID_EVENT, message) from error
    if encode_id(raw) != encoded:
        message = f"{encoded!r} is not the encoding of its own id"
        raise Permanent(Reason.INVALID_EVENT, message)
    return raw


def record_key(tenant: str, image_id: str) -> bytes:
    """Return the Kafka key of every record about this image: ``tenant/image_id``, both encoded."""
    return f"{encode_id(tenant)}/{encode_id(image_id)}".encode()


def read_record_key(key: bytes) -> tuple[str, str]:
    """Return tenant and image id of a key that `record_key` made. Raise `Permanent` for any other."""
    try:
        tenant, slash, image_id = key.decode("ascii").partition("/")
    except UnicodeDecodeError as error:
        message = f"key {key[:MAX_ID_BYTES]!r} is not tenant/image_id"
        raise Permanent(Reason.INVALID_EVENT, message) from error
    if not slash:
        message = f"key {key[:MAX_ID_BYTES]!r} is not tenant/image_id"
        raise Permanent(Reason.INVALID_EVENT, message)
    return decode_id(tenant), decode_id(image_id)


def output_event_id(source_event_id: UUID, kind: OutputKind, replay_id: str | None = None) -> UUID:
    """Return the id of the one output of this kind that answers this input, the same on every attempt."""
    # With a length in front no replay id can imitate another pair of kind and replay id.
    return uuid5(source_event_id, kind if replay_id is None else f"{len(kind)}:{kind}:{replay_id}")


def undecodable_event_id(topic_id: bytes, partition: int, offset: int) -> UUID:
    """Return the id of the failed event for an input that has none: a topic made again under its name gives others."""
    return uuid5(_UNDECODABLE, f"{topic_id.hex()}/{partition}/{offset}")


def image_prefix(tenant: str, image_id: str) -> str:
    """Return the prefix, with its final slash, of every object about this image."""
    return f"{encode_id(tenant)}/{encode_id(image_id)}/"


def current_key(tenant: str, image_id: str) -> str:
    """Return the key of the pointer to the newest manifest (a convenience; the events are the truth)."""
    return f"{image_prefix(tenant, image_id)}current.json"


def tombstone_prefix(tenant: str, image_id: str) -> str:
    """Return the prefix under which the image's tombstones are; listed in order, the last one is the newest."""
    return f"{image_prefix(tenant, image_id)}deleted/"


def tombstone_key(tenant: str, image_id: str, hlc: int) -> str:
    """Return the key of the tombstone of a delete."""
    return f"{tombstone_prefix(tenant, image_id)}{_digits(hlc)}"


def life_prefix(tenant: str, image_id: str, life: int) -> str:
    """Return the prefix of everything rendered in one life: the hlc of the newest tombstone before it, 0 if none."""
    return f"{image_prefix(tenant, image_id)}{_digits(life)}/"


def render_prefix(tenant: str, image_id: str, life: int, source_sha256: str, fingerprint: str) -> str:
    """Return the prefix of one source rendered at one fingerprint. Raise `Permanent` unless both are lower-case hex."""
    _demand(_SHA256, source_sha256, "source sha256")
    _demand(_FINGERPRINT, fingerprint, "fingerprint")
    return f"{life_prefix(tenant, image_id, life)}{source_sha256[:16]}/{fingerprint}/"


def manifest_key(tenant: str, image_id: str, life: int, source_sha256: str, fingerprint: str) -> str:
    """Return the key of the manifest, whose presence means that every variant it names is in the store."""
    return f"{render_prefix(tenant, image_id, life, source_sha256, fingerprint)}manifest.json"


def variant_key(prefix: str, name: str, sha256: str, extension: str) -> str:
    """Return the key of a variant below its `render_prefix`; it contains the hash of its bytes, so it never changes."""
    _demand(_VARIANT_NAME, name, "variant name")
    _demand(_SHA256, sha256, "variant sha256")
    _demand(_EXTENSION, extension, "variant extension")
    return f"{prefix}{name}.{sha256[:12]}.{extension}"


def source_key(tenant: str, image_id: str, sha256: str, extension: str) -> str:
    """Return the key, in the upload bucket, under which a publisher puts an original."""
    _demand(_SHA256, sha256, "source sha256")
    _demand(_EXTENSION, extension, "source extension")
    return f"{image_prefix(tenant, image_id)}{sha256}.{extension}"


def tombstone_hlc(key: str) -> int | None:
    """Return the hlc in a tombstone's key, None if it is no tombstone's."""
    segments = key.split("/")
    return _number(segments[3]) if len(segments) == 4 and segments[2] == "deleted" else None  # noqa: PLR2004 - t/i/deleted/hlc


def life_of(key: str) -> int | None:
    """Return the life that an object belongs to, None for what outlives lives: ``current.json`` and tombstones."""
    segments = key.split("/")
    return _number(segments[2]) if len(segments) > 3 else None  # noqa: PLR2004 - t/i/life/…


def is_variant_name(name: str) -> bool:
    """Say whether a variant may have this name: 1-64 of ``A-Z a-z 0-9 _ -``, the first a letter or digit."""
    return _VARIANT_NAME.fullmatch(name) is not None


def _digits(hlc: int) -> str:
    """Print so that the order of a listing is the order of the numbers."""
    if not 0 <= hlc < _HLC_LIMIT:
        message = f"hlc {hlc} is not in 0 to 2**63 - 1"
        raise Permanent(Reason.INVALID_EVENT, message)
    return f"{hlc:020d}"


def _number(segment: str) -> int | None:
    return int(segment) if len(segment) == 20 and segment.isascii() and segment.isdigit() else None  # noqa: PLR2004 - as printed by _digits


def _demand(pattern: re.Pattern[str], value: str, what: str) -> None:
    if pattern.fullmatch(value) is None:
        message = f"{what} {value[:MAX_ID_BYTES]!r} is not {pattern.pattern}"
        raise Permanent(Reason.INVALID_EVENT, message)
