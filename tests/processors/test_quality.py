"""Quality is found by trying: the lowest that is good enough, within what a file may weigh, in few tries."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from processors.likeness import luma, ssim
from processors.quality import HIGHEST, LOWEST, PROBES, Encoded, lowest_quality, within_bytes
from processors.recipe import Format
from tests.processors.builders import Pixels, decoded, difference, file_of, only, picture, spec, with_alpha

_PIXELS = picture(330, 220)
_LOSSY = (Format.JPEG, Format.WEBP, Format.AVIF)


def ssim_of(one: Pixels, other: Pixels) -> float:
    """Compute SSIM window by window, in the plainest way."""
    found = []
    for top in range(0, one.shape[0] - 7, 4):
        for left in range(0, one.shape[1] - 7, 4):
            a, b = (plane[top : top + 8, left : left + 8].astype(float) for plane in (one, other))
            together = ((a - a.mean()) * (b - b.mean())).mean()
            lightness = (2 * a.mean() * b.mean() + 6.5025) / (a.mean() ** 2 + b.mean() ** 2 + 6.5025)
            found.append(lightness * (2 * together + 58.5225) / (a.var() + b.var() + 58.5225))
    return float(np.mean(found))


def test_ssim_is_what_its_definition_says() -> None:
    """For good and bad likenesses; equal pictures have 1, whatever their size."""
    grey = np.asarray(Image.fromarray(_PIXELS).convert("L"))[:, :328]
    for quality in (5, 40, 90):
        other = decoded(file_of(grey, "JPEG", quality=quality), "L")
        assert ssim(luma(grey), luma(other)) == pytest.approx(ssim_of(grey, other), abs=1e-6)
    for shape in ((1, 1), (3, 9), (8, 8), (13, 6)):
        assert ssim(luma(grey[: shape[0], : shape[1]]), luma(grey[: shape[0], : shape[1]])) == pytest.approx(1.0)


def test_luma_is_what_encoders_take_for_brightness() -> None:
    """Within a step of Pillow's."""
    assert np.abs(luma(_PIXELS) - np.asarray(Image.fromarray(_PIXELS).convert("L")).astype(float)).max() <= 1.0


@given(st.integers(1, 100))
def test_the_lowest_good_quality_is_found_within_two_steps_in_few_tries(good: int) -> None:
    """Where likeness rises with quality."""
    tried: list[int] = []

    def encode(quality: int) -> bytes:
        tried.append(quality)
        return bytes(quality)

    found = lowest_quality(encode, lambda data: len(data) / 100, good / 100)
    assert len(tried) <= PROBES + 1
    if good > HIGHEST:
        assert (found.quality, found.missed) == (HIGHEST, "target")
    else:
        assert max(good, LOWEST) <= (found.quality or 0) <= max(good, LOWEST) + 2
        assert found.missed == ""


@given(st.integers(1, 98), st.integers(1, 100))
def test_a_file_is_brought_below_its_limit_or_the_failure_is_named(first: int, most: int) -> None:
    """Quality never rises, and the limit is missed only where nothing meets it."""
    tried: list[int] = []

    def encode(quality: int) -> bytes:
        tried.append(quality)
        return bytes(quality)

    found = within_bytes(encode, Encoded(encode(first), first), most)
    assert len(tried) <= PROBES + 2
    assert (found.quality or 0) <= first
    assert (found.missed == "max_bytes") == (len(found.data) > most) == (min(first, LOWEST) > most)
    if first > most >= LOWEST:
        assert (found.quality or 0) >= most - 2


@pytest.mark.parametrize("kind", _LOSSY)
def test_a_target_is_reached_by_the_file_and_not_by_a_much_smaller_one(kind: Format) -> None:
    """As measured by the plain definition on what Pillow decodes."""
    data = file_of(_PIXELS)
    wanted = np.asarray(Image.fromarray(decoded(only(data, spec(width=200)).data)).convert("L"))

    def likeness(encoded: bytes) -> float:
        return ssim_of(wanted, np.asarray(Image.fromarray(decoded(encoded)).convert("L")))

    made = only(data, spec(kind=kind, width=200, target_ssim=0.98))
    assert made.missed == ""
    assert made.quality is not None
    assert likeness(made.data) > 0.975
    worse = only(data, spec(kind=kind, width=200, quality=max(made.quality - 4, 1)))
    assert likeness(worse.data) < 0.985


@pytest.mark.parametrize("kind", _LOSSY)
def test_a_variant_stays_within_its_bytes_or_says_that_it_cannot(kind: Format) -> None:
    """Also where a target led to more."""
    data = file_of(_PIXELS)
    free = only(data, spec(kind=kind, width=300))
    within = len(free.data) * 3 // 4
    made = only(data, spec(kind=kind, width=300, max_bytes=within))
    assert len(made.data) <= within
    assert (made.missed, (made.quality or 0) < (free.quality or 0)) == ("", True)
    both = only(data, spec(kind=kind, width=300, target_ssim=0.995, max_bytes=within))
    assert len(both.data) <= within
    hopeless = only(data, spec(kind=kind, width=300, max_bytes=50))
    assert (hopeless.missed, hopeless.quality) == ("max_bytes", LOWEST)


def test_a_target_counts_transparent_parts_as_they_are_seen() -> None:
    """A hole in the picture does not make the search fail."""
    made = only(file_of(with_alpha(_PIXELS)), spec(kind=Format.WEBP, target_ssim=0.95))
    assert made.missed == ""
    assert decoded(made.data, "RGBA")[110, 165, 3] < 20


def test_a_palette_png_has_few_colours_and_few_bytes() -> None:
    """And still shows the picture; transparency stays."""
    whole, small = (only(file_of(_PIXELS), spec(palette=palette)).data for palette in (False, True))
    image = Image.open(io.BytesIO(small))
    assert image.mode == "P"
    assert len(small) < len(whole)
    assert difference(decoded(small), _PIXELS) < 5
    clear = decoded(only(file_of(with_alpha(_PIXELS)), spec(palette=True)).data, "RGBA")
    assert clear[110, 165, 3] < 20
