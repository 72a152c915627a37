"""What the shipped recipes yield does not change unnoticed."""

from __future__ import annotations

import pytest

from processors.fingerprint import RENDERER_REVISION
from tests.processors.builders import distance
from tests.processors.goldens import Golden, goldens, recorded

_SAME_PICTURE = 3
"""Bits of 64: another version of an encoder moves one or two, another picture a dozen."""


@pytest.fixture(scope="module")
def found() -> list[Golden]:
    """Render everything once."""
    return list(goldens())


def test_the_goldens_belong_to_this_revision_of_the_renderer() -> None:
    """Recording new goldens and raising the revision go together."""
    assert recorded()[0] == RENDERER_REVISION


def test_every_variant_has_its_recorded_size(found: list[Golden]) -> None:
    """To the pixel, for every source and recipe."""
    known = recorded()[1]
    assert [(golden.source, golden.variant, golden.size) for golden in found] == [
        (golden.source, golden.variant, golden.size) for golden in known
    ]


def test_every_variant_shows_its_recorded_picture(found: list[Golden]) -> None:
    """By perceptual hash, and every summary by its dominant colour within a few steps."""
    changed = [
        (known, now) for known, now in zip(recorded()[1], found, strict=True) if not _same(known.content, now.content)
    ]
    assert not changed


def _same(known: str, now: str) -> bool:
    if known.startswith("#"):
        pairs = zip(bytes.fromhex(known[1:]), bytes.fromhex(now[1:]), strict=True)
        return all(abs(one - other) <= 3 for one, other in pairs)
    return distance(int(known, 16), int(now, 16)) <= _SAME_PICTURE
