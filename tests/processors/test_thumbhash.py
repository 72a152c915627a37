"""ThumbHash as its author's own code computes it, and the colour that a picture is remembered by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from processors.colour import dominant_colour
from processors.thumbhash import thumbhash
from tests.processors.builders import picture

if TYPE_CHECKING:
    from collections.abc import Callable


def image(
    width: int, height: int, formula: Callable[[int, int, int], int]
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Compute every sample from its place, so that any language can make the same image."""
    values = [[[formula(x, y, c) for c in range(4)] for x in range(width)] for y in range(height)]
    return np.array(values, dtype=np.uint8)


_OPAQUE = 255


@pytest.mark.parametrize(
    ("width", "height", "formula", "expected"),
    [
        (
            64,
            64,
            lambda x, y, c: _OPAQUE if c == 3 else ((x - 32) ** 2 + (y - 20) ** 2) * (c + 1) % 256,
            "9f07020702c706b7757b758a85da28d84873754f88f7730a",
        ),
        (
            90,
            60,
            lambda x, y, c: (x * x + 3 * y) % 256 if c == 3 else (x * (c + 2) + y * y + 11 * c) % 256,
            "e0078203820724b63780478205166f61576420218348c8",
        ),
        (
            41,
            97,
            lambda x, y, c: _OPAQUE if c == 3 else (x * x * (c + 1) + 5 * y + 60 * c) % 256,
            "e0f7010b02786787885630789910760672",
        ),
        (
            100,
            5,
            lambda x, y, c: _OPAQUE if c == 3 else (x * 7 + y * 13 + c * 50) % 256,
            "e0e709118697a602777776786085675098",
        ),
    ],
    ids=["square", "transparent landscape", "portrait", "panorama"],
)
def test_hashes_are_those_of_the_published_implementation(
    width: int, height: int, formula: Callable[[int, int, int], int], expected: str
) -> None:
    """The expected values were computed by npm's thumbhash 0.1.1 from the same formulas."""
    assert thumbhash(image(width, height, formula)).hex() == expected


def test_a_single_colour_has_a_hash_free_of_rounding_noise() -> None:
    """Only the constant parts say something; every frequency is exactly none."""
    found = thumbhash(np.full((70, 100, 4), (0, 0, 0, 255), dtype=np.uint8))
    assert found[:5].hex() == "0008020580"
    assert not any(found[5:])


def test_larger_images_are_refused() -> None:
    """The caller shrinks first: more pixels would not change the hash."""
    with pytest.raises(ValueError, match="101x1"):
        thumbhash(np.zeros((1, 101, 4), dtype=np.uint8))


def test_a_fully_transparent_image_has_a_hash() -> None:
    """No division by its zero weight."""
    assert thumbhash(np.zeros((3, 3, 4), dtype=np.uint8))
    assert dominant_colour(np.zeros((3, 3, 4), dtype=np.uint8)) == "#000000"


def test_the_dominant_colour_is_that_of_the_largest_area() -> None:
    """A third of exactly one colour beats a gradient and what can't be seen."""
    pixels = np.dstack([picture(90, 60), np.full((60, 90), 255, dtype=np.uint8)])
    pixels[:, :30] = (250, 120, 10, 255)
    pixels[:, 30:70, 3] = 0
    assert dominant_colour(pixels) == "#fa780a"
