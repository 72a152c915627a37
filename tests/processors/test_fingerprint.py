"""The fingerprint is the same for the same outcome, on every machine, and another for another outcome."""

from __future__ import annotations

from dataclasses import replace

import pytest

from processors.fingerprint import RENDERER_REVISION, fingerprint
from processors.recipe import Chroma, Fit, Flip, Format, Gravity, Metadata, Profile, Shape, VariantSpec, When
from processors.recipe_file import load_folder, parse_recipe
from schemas.events import Attributes, FocusPoint
from tests.processors.builders import recipe, spec

_CARD = spec("card", Format.JPEG, width=1200, height=630, fit=Fit.FILL, gravity=Gravity.FOCUS)
_FOCUS = Attributes(focus=FocusPoint(0.25, 0.5))


def test_the_fingerprints_of_release_1_are_pinned() -> None:
    """Whoever changes one of these makes every stored variant stale: only on purpose, by the renderer's revision."""
    pinned = {name: fingerprint(shipped, Attributes(), revision=1) for name, shipped in load_folder(None).items()}
    assert pinned == {"avatar": "6187040687f55f6b", "social": "e1ac4224cb345c1b", "web": "59acd9d7deac0f73"}
    assert fingerprint(recipe(_CARD), _FOCUS, revision=1) == "7dcb72e937069fef"
    assert RENDERER_REVISION == 2


def test_the_order_of_keys_and_variants_and_the_names_of_recipes_do_not_count() -> None:
    """Two files that ask for the same have the same fingerprint, however they are written."""
    one = '[defaults]\nformat = "webp"\n[[variant]]\nname="a"\nwidth=10\n[[variant]]\nname="b"\nwidth=20\n'
    other = (
        'description = "x"\n[[variant]]\nwidth=20\nfit="fit"\nformat="webp"\nname="b"\nquality=80\n'
        '[[variant]]\nupscale=false\nname="a"\nwidth=10\nformat="webp"\neffort=2\n'
    )
    first, second = parse_recipe(one, name="one", file=""), parse_recipe(other, name="two", file="")
    assert fingerprint(first, Attributes()) == fingerprint(second, Attributes())


@pytest.mark.parametrize(
    "changed",
    [
        replace(_CARD, name="other"),
        replace(_CARD, width=1201),
        replace(_CARD, height=None, width=None, fit=Fit.FIT),
        replace(_CARD, quality=81),
        replace(_CARD, effort=2),
        replace(_CARD, fit=Fit.FILL_DOWN),
        replace(_CARD, gravity=Gravity.NORTH),
        replace(_CARD, upscale=True),
        replace(_CARD, background="#000000"),
        replace(_CARD, progressive=True),
        replace(_CARD, chroma=Chroma.FULL),
        replace(_CARD, metadata=Metadata.KEEP),
        replace(_CARD, format=Format.WEBP),
        replace(_CARD, profile=Profile.KEEP),
        replace(_CARD, blur=2.0),
        replace(_CARD, sharpen=0.5),
        replace(_CARD, grey=True),
        replace(_CARD, target_ssim=0.98),
        replace(_CARD, max_bytes=50_000),
        replace(_CARD, when=When(shape=Shape.SQUARE)),
        replace(_CARD, when=When(animated=False)),
        replace(_CARD, crop=(0.0, 0.0, 0.5, 0.5)),
        replace(_CARD, trim=10),
        replace(_CARD, rotate=90),
        replace(_CARD, flip=Flip.VERTICAL),
        replace(_CARD, fit=Fit.FIT, min_width=300),
        replace(_CARD, fit=Fit.COVER, max_pixels=90_000),
    ],
)
def test_every_key_that_changes_the_outcome_changes_the_fingerprint(changed: VariantSpec) -> None:
    """No two different variants share a fingerprint."""
    assert fingerprint(recipe(changed), Attributes()) != fingerprint(recipe(_CARD), Attributes())


def test_attributes_count_only_where_the_recipe_reads_them() -> None:
    """The focus point counts for a recipe that crops around it; alt texts and free strings never do."""
    reads, ignores = recipe(_CARD), recipe(replace(_CARD, gravity=Gravity.CENTER))
    described = Attributes(alt_text="a cat", extra={"a": "b"})
    assert fingerprint(reads, _FOCUS) != fingerprint(reads, Attributes())
    assert fingerprint(ignores, _FOCUS) == fingerprint(ignores, Attributes())
    assert fingerprint(reads, described) == fingerprint(reads, Attributes())


def test_a_new_renderer_revision_changes_every_fingerprint() -> None:
    """Raising the revision is how a change of the renderer reaches images that are done."""
    assert fingerprint(recipe(), Attributes(), revision=2) != fingerprint(recipe(), Attributes(), revision=1)
