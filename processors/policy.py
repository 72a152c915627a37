"""Where upload events may point to: allowed buckets and, in them, prefixes that may name the event's own tenant.

A worker reads with rights that the publisher of an event need not have, so what is not allowed here is refused before
any request is made. Keys are compared as they are written, never resolved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from schemas.errors import Permanent, Reason
from schemas.ids import encode_id

if TYPE_CHECKING:
    from schemas.events import Source

TENANT: Final = "{tenant}"
_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class AllowedSource:
    """One allowed place. `ValueError` for a prefix that would not keep tenants apart.

    ``{tenant}`` stands for the event's tenant, encoded as in object keys, as a whole path segment: with or without the
    final slash, ``{tenant}`` never lets tenant ``a`` into ``ab/``. A prefix without it is open to every tenant.
    """

    bucket: str
    prefix: str = f"{TENANT}/"

    def __post_init__(self) -> None:
        segments = self.prefix.split("/")
        mixed = [segment for segment in segments if ("{" in segment or "}" in segment) and segment != TENANT]
        if not self.bucket:
            message = "a source needs a bucket"
        elif mixed:
            message = (
                f"{mixed[0]!r} in prefix {self.prefix!r}: {TENANT} must be a whole segment, and is the only placeholder"
            )
        elif "." in segments or ".." in segments or self.prefix.startswith("/"):
            message = f"prefix {self.prefix!r} must not begin with / or have . or .. as a segment"
        else:
            return
        raise ValueError(message)

    def covers(self, tenant: str, source: Source) -> bool:
        """Say whether the source is in this place. ``tenant`` is encoded."""
        prefix = self.prefix.replace(TENANT, tenant)
        if self.prefix.endswith(TENANT):
            prefix += "/"
        return source.bucket == self.bucket and source.key.startswith(prefix) and source.key != prefix


@dataclass(frozen=True, slots=True)
class SourcePolicy:
    """All allowed places; none means that nothing is allowed."""

    allowed: tuple[AllowedSource, ...]

    def check(self, tenant: str, source: Source) -> None:
        """Raise `Permanent` (``source_not_allowed``) unless the tenant's events may point there."""
        encoded = encode_id(tenant)
        if not _is_literal(source.key) or not any(place.covers(encoded, source) for place in self.allowed):
            message = f"events of tenant {encoded} may not point to {source.bucket[:_SHOWN]!r}/{source.key[:_SHOWN]!r}"
            raise Permanent(Reason.SOURCE_NOT_ALLOWED, message)


def _is_literal(key: str) -> bool:
    """Refuse what a proxy, a gateway or a file system might resolve to another key: S3 itself takes keys literally."""
    segments = key.replace("\\", "/").split("/")
    return "\0" not in key and not any(part.strip() in {".", ".."} for part in segments)
