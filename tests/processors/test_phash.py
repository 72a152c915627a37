"""The perceptual hash of a picture hardly changes with its size, format and quality, and does with the picture."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from processors.phash import perceptual_hash
from tests.processors import builders
from tests.processors.builders import distance, file_of, jpeg, picture, rendered, spec, with_alpha


def bits(data: bytes) -> int:
    """Return what a rendering says of a file."""
    return int(rendered(data, spec(width=64)).perceptual_hash, 16)


@pytest.mark.parametrize("size", [(99, 66), (90, 80), (33, 47), (9, 8)])
def test_it_is_the_difference_hash_of_pillows_small_likeness(size: tuple[int, int]) -> None:
    """But for bits of cells that are nearly equal, which rounding decides."""
    pixels = picture(*size)
    ours = int(perceptual_hash(np.dstack([pixels, np.full(size[::-1], 255, np.uint8)])), 16)
    assert distance(ours, builders.perceptual_hash(pixels)) <= 4


def test_copies_are_near_and_other_pictures_far() -> None:
    """Another size, format or quality moves few bits; a mirror image or noise moves many."""
    pixels = picture(600, 400)
    own = bits(file_of(pixels))
    small = np.asarray(Image.fromarray(pixels).resize((210, 140)))
    for copy in (jpeg(pixels, quality=30), file_of(pixels, "WEBP", quality=50), file_of(small)):
        assert distance(own, bits(copy)) <= 6
    noise = np.random.default_rng(3).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    other = np.asarray(Image.fromarray(noise).resize((600, 400)))
    for picture_of in (np.ascontiguousarray(pixels[:, ::-1]), other):
        assert distance(own, bits(file_of(picture_of))) > 12


def test_every_picture_has_one() -> None:
    """One pixel, one colour, nothing but transparency."""
    plain = np.full((40, 40, 3), 90, np.uint8)
    for data in (file_of(picture(1, 1)), file_of(plain), file_of(np.dstack([plain, plain[..., :1] * 0]))):
        assert bits(data) == 0
    assert bits(file_of(with_alpha(picture(300, 200)))) != 0
