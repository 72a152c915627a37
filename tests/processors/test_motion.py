"""Animations in and out: frames, delays and loops are kept, every frame is what it would be alone, sizes hold."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageSequence

from processors.plan import make_plan
from processors.recipe import Fit, Format, Gravity
from schemas.errors import Permanent
from schemas.events import Attributes
from tests.processors.builders import Pixels, facts, file_of, picture, recipe, rendered, spec

DELAYS = [80, 120, 40]


def animation(kind: str = "GIF", *, loop: int = 3, width: int = 120, height: int = 90) -> bytes:
    """Return three frames that differ in colour, so that their order shows."""
    frames = [Image.fromarray(np.roll(picture(width, height), step, axis=2)) for step in range(3)]
    out = io.BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {}
    frames[0].save(out, kind, save_all=True, append_images=frames[1:], duration=DELAYS, loop=loop, **options)
    return out.getvalue()


def frames_of(data: bytes) -> list[Pixels]:
    """Decode by Pillow."""
    return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(Image.open(io.BytesIO(data)))]


def delays_of(data: bytes) -> list[int]:
    """Return the milliseconds of each frame as Pillow reads them."""
    image = Image.open(io.BytesIO(data))
    found = []
    for frame in ImageSequence.Iterator(image):
        frame.load()
        found.append(int(frame.info["duration"]))
    return found


def plays_of(data: bytes) -> int:
    """Return how often it is shown: GIF counts repetitions, WebP showings."""
    image = Image.open(io.BytesIO(data))
    return int(image.info["loop"]) + (image.format == "GIF")


@pytest.mark.parametrize("source", ["GIF", "WEBP"])
@pytest.mark.parametrize("kind", [Format.GIF, Format.WEBP])
def test_frames_delays_and_loops_are_kept(source: str, kind: Format) -> None:
    """From either format to either."""
    moving = spec("m", kind, width=60, animated=True)
    made = rendered(animation(source), moving, spec("still", width=60)).variants[0]

    assert (made.width, made.height) == (60, 45)
    assert [frame.shape for frame in frames_of(made.data)] == [(45, 60, 3)] * 3
    assert delays_of(made.data) == DELAYS
    assert plays_of(made.data) == plays_of(animation(source))


@pytest.mark.parametrize("kind", [Format.GIF, Format.WEBP])
def test_every_frame_is_what_it_would_be_alone(kind: Format) -> None:
    """Nothing of a neighbour bleeds over the border between two frames, and their order holds."""
    data = animation("WEBP")
    made = frames_of(rendered(data, spec("m", kind, width=60, animated=True)).variants[0].data)

    for frame, alone in zip(made, frames_of(data), strict=True):
        wanted = np.asarray(Image.fromarray(alone).resize((60, 45), Image.Resampling.LANCZOS))
        assert np.abs(frame.astype(int) - wanted).mean() < 9  # GIF has 256 colours


def test_the_poster_is_the_first_frame() -> None:
    """A variant that is not animated stays as it was before there were animated ones."""
    data = animation()
    both = rendered(data, spec("m", Format.WEBP, width=60, animated=True), spec("poster", width=60))
    assert both.variants[1].data == rendered(data, spec("poster", width=60)).variants[0].data
    assert len(frames_of(both.variants[1].data)) == 1


def test_a_still_source_gives_a_still() -> None:
    """With the very bytes of a variant that was not asked to move."""
    data = file_of(picture(120, 90))
    moving, still = (rendered(data, spec("m", Format.WEBP, width=60, animated=a)).variants[0] for a in (True, False))
    assert moving.data == still.data


def test_steps_are_done_to_every_frame() -> None:
    """Crop to a box around what is found in the first frame, turn, grey."""
    wanted = spec(
        "m", Format.WEBP, width=40, height=30, fit=Fit.FILL, gravity=Gravity.ATTENTION, rotate=90, grey=True,
        animated=True,
    )  # fmt: skip
    made = frames_of(rendered(animation(), wanted).variants[0].data)

    assert [frame.shape[:2] for frame in made] == [(30, 40)] * 3
    assert all(np.ptp(frame.astype(int), axis=2).max() <= 2 for frame in made)


def test_equal_animated_variants_share_their_bytes() -> None:
    """As stills do."""
    one, two = spec("a", Format.WEBP, width=60, animated=True), spec("b", Format.WEBP, width=60, animated=True)
    made = rendered(animation(), one, two).variants
    assert made[0].data == made[1].data


def test_the_plan_says_so() -> None:
    """`recipes explain` tells which variants move."""
    wanted = recipe(spec("m", Format.GIF, width=60, animated=True), spec("poster", width=60))
    lines = make_plan(facts(400, 300, frames=3), wanted, Attributes()).describe().splitlines()
    assert [("every frame" in line) for line in lines if line.startswith("variant")] == [True, False]


def test_a_cut_animation_fails_as_a_whole() -> None:
    """Half an animation is no variant."""
    data = animation("WEBP")
    with pytest.raises(Permanent):
        rendered(data[: len(data) * 2 // 3], spec("m", Format.WEBP, width=60, animated=True))


@pytest.mark.parametrize("kind", [Format.JPEG, Format.AVIF, Format.PNG])
def test_other_formats_do_not_move(kind: Format) -> None:
    """Refused by the value, as by the file."""
    with pytest.raises(ValueError, match="animated is for webp and gif"):
        spec("m", kind, animated=True)
