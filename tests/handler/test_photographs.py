"""The handler with the real renderer, on both stores; and with ids that are out for trouble."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from processors.facts import Facts, Limits
from processors.inspect import inspect
from processors.recipe_file import load_folder
from processors.render import render
from processors.vips import configure_vips
from schemas.errors import Reason
from schemas.events import ImageFailed, ImageReady, ImageRemoved
from schemas.ids import image_prefix
from tests.handler.world import World, cause_of
from tests.processors.builders import file_of, jpeg, picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from processors.ports import Rendered
    from processors.recipe import Recipe
    from schemas.events import Attributes


class RealRenderer:
    """The renderer without the processes around it."""

    def inspect(self, data: bytes) -> Facts:
        return inspect(data, Limits())

    def render(self, data: bytes, facts: Facts, recipe: Recipe, attributes: Attributes) -> Rendered:
        return render(data, facts, recipe, attributes)


@pytest.fixture(scope="module", autouse=True)
def _vips() -> None:
    """Set libvips up as a render process does."""
    configure_vips()


@pytest.fixture(scope="module")
def photo() -> bytes:
    """Draw one photograph for all tests."""
    return jpeg(picture(900, 600))


def test_a_photograph_becomes_every_variant_of_a_shipped_recipe(make_world: Callable[[], World], photo: bytes) -> None:
    """Stored, described, and the same to the byte when another worker makes them elsewhere."""
    outputs = []
    for _ in range(2):
        world = make_world()
        event = world.uploaded(photo, recipe="avatar")
        handler = world.handler(renderer=RealRenderer(), recipes=load_folder(None))
        output = handler(event, cause_of(event))
        assert isinstance(output, ImageReady), output
        assert all(world.is_whole(variant) for variant in output.variants)
        assert (output.source.width, output.source.height, output.source.format) == (900, 600, "jpeg")
        assert output.thumbhash
        assert output.dominant_colour.startswith("#")
        outputs.append([(variant.key, variant.sha256) for variant in output.variants])
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data: data[: len(data) // 2], Reason.TRUNCATED),
        (lambda _: b"This is a text file.\n" * 50, Reason.UNSUPPORTED_FORMAT),
    ],
)
def test_what_is_no_photograph_fails_with_its_reason(
    world: World, photo: bytes, spoil: Callable[[bytes], bytes], reason: Reason
) -> None:
    """A truncated file, a text file: nothing is stored."""
    event = world.uploaded(spoil(photo), recipe="avatar")
    output = world.handler(renderer=RealRenderer(), recipes=load_folder(None))(event, cause_of(event))
    assert isinstance(output, ImageFailed), output
    assert output.reason is reason
    assert world.objects() == {}


def test_a_png_is_a_photograph_too(world: World) -> None:
    """The source's format follows from its bytes, not from its name."""
    event = world.uploaded(file_of(picture(64, 64)), recipe="avatar")
    output = world.handler(renderer=RealRenderer(), recipes=load_folder(None))(event, cause_of(event))
    assert isinstance(output, ImageReady), output
    assert output.source.format == "png"


@pytest.mark.parametrize(
    ("tenant", "image_id"),
    [
        ("..", "."),
        ("../..", "../../etc/passwd"),
        ("a", "b/../../c"),
        ("%2e%2e", "%2F"),
        ("nul\0", "new\nline"),
        ("🐈‍⬛", "é" * 33),
        ("deleted", "current.json"),
        ("x__XLDIR__", "__XLDIR__"),
        ("a" * 200, "b" * 200),
        ("~", "-rf"),
    ],
)
def test_hostile_ids_stay_in_their_place(make_world: Callable[[], World], tenant: str, image_id: str) -> None:
    """Uploaded, deleted, uploaded again: everything is below the image's own prefix, and found there."""
    world = replace(make_world(), tenant=tenant, image_id=image_id)
    for event in (world.uploaded(hlc=1000), world.deleted(hlc=1001), world.uploaded(hlc=1002)):
        output = world.handler()(event, cause_of(event))
        assert isinstance(output, ImageReady | ImageRemoved), output
    prefix = image_prefix(tenant, image_id)
    assert sorted(world.objects()) == sorted(world.store.list(world.bucket, prefix))
    assert len(world.objects()) == 5
