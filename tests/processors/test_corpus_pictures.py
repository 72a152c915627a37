"""The good files of the corpus look as another decoder shows them; that they render at all is ``tests/corpus``."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

from tests.processors.builders import decoded, difference, only, shown_by_pillow, spec

_ALIKE = 16
"""Mean difference in steps of 8 bits. Half of the files differ by 0.3; CMYK, for which tastes differ, by up to 15."""
_SEEN_OTHERWISE = {
    "pillow_xmp_tags_orientation_exiftool.png",  # turned by XMP alone, which browsers ignore and Pillow does not
    "pillow_i_trns.png",  # of its 16 bits Pillow shows the lower eight
}


@pytest.fixture(scope="module")
def good() -> list[Path]:
    """Return the good files, or skip where nobody promised a corpus."""
    folder = os.environ.get("DARKROOM_CORPUS")
    if not folder and not os.environ.get("CI"):
        pytest.skip("DARKROOM_CORPUS is not set: it names the folder with good/ and bad/ and their manifests")
    assert folder, "CI must set DARKROOM_CORPUS"
    part = Path(folder) / "good"
    with (part / "MANIFEST.tsv").open(newline="") as manifest:
        return [part / row["file"] for row in csv.DictReader(manifest, delimiter="\t", quoting=csv.QUOTE_NONE)]


def test_every_good_file_looks_as_another_decoder_shows_it(good: list[Path]) -> None:
    """Pillow and LittleCMS make the same small picture of it: upright, in its colours, on white, nothing cut off."""
    different = {}
    for path in good:
        data = path.read_bytes()
        variant = only(data, spec(width=64, height=64, background="#ffffff"))
        off = difference(decoded(variant.data), shown_by_pillow(data, variant.width, variant.height))
        if off > _ALIKE and path.name not in _SEEN_OTHERWISE:
            different[path.name] = off
    assert not different
