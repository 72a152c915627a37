"""The renderer on real children: same pixels as without them, same reasons, memory in line, and no trust in answers."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from processors.facts import Facts, Limits, SourceFormat
from processors.ports import Rendered, RenderedVariant
from processors.recipe import Fit, Format, Gravity, Recipe, VariantSpec
from schemas.errors import Permanent, Reason
from schemas.events import Attributes, FocusPoint
from streams.adapters.pool_renderer import PoolRenderer, RendererSettings
from streams.adapters.render_answers import read_facts, read_rendered, write_facts, write_rendered
from streams.runtime.pool import Answer, PoolClosed
from tests.support import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

SMALL = Recipe(
    "small", (VariantSpec("s", Format.WEBP, 80, 0, width=64), VariantSpec("m", Format.PNG, None, 1, width=96))
)
FACTS = Facts(SourceFormat.JPEG, 320, 240, 1, False, "srgb", 1, False, False, 8, 230_400)  # noqa: FBT003 - facts in order


def picture(kind: str, width: int = 320, height: int = 240, **options: object) -> bytes:
    """Return a file with a gradient and some noise."""
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    noise = np.random.default_rng(7).integers(0, 255, (height, width))
    pixels = np.stack([across, down, noise], axis=2).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def plain(width: int, height: int, kind: str = "PNG") -> bytes:
    """Return a file of one colour: large, and quick to make."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), (90, 120, 40)).save(file, kind, compress_level=1, method=0, quality=10)
    return file.getvalue()


@pytest.fixture(scope="module")
def renderer() -> Iterator[PoolRenderer]:
    """Yield a started renderer with one child of each kind."""
    with PoolRenderer(RendererSettings(renderers=1, limits=Limits(pixels=40_000_000))) as made:
        made.start()
        yield made


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "AVIF"])
def test_every_format_passes_through_the_contained_child(renderer: PoolRenderer, kind: str) -> None:
    """No decoder and no encoder needs anything that the containment took away."""
    data = picture(kind)
    recipe = Recipe(
        "all", tuple(VariantSpec(each, each, 70 if each.has_quality else None, 1, width=80) for each in Format)
    )

    facts = renderer.inspect(data)
    rendered = renderer.render(data, facts, recipe, Attributes())

    assert (facts.format, facts.width, facts.height) == (kind.lower(), 320, 240)
    for variant in rendered.variants:
        assert Image.open(io.BytesIO(variant.data)).size == (80, 60) == (variant.width, variant.height)
    assert [each.name for each in rendered.variants] == [*Format]


@pytest.mark.parametrize("profile", [0, 50_000, 300_000])
def test_a_jpegs_header_may_be_of_any_length(renderer: PoolRenderer, profile: int) -> None:
    """The facts are those of the whole file, whether or not its opening holds the header."""
    data = picture("JPEG", 1600, 1200, comment=b"x" * 60_000, icc_profile=b"\0" * profile)
    assert len(data) > 200_000

    facts = renderer.inspect(data)

    assert (facts.width, facts.height, facts.has_profile) == (1600, 1200, profile > 0)


def test_a_picture_that_must_be_held_whole_needs_no_file(renderer: PoolRenderer) -> None:
    """Over 100 MB of pixels libvips would by itself turn to a temporary file, which a child cannot write."""
    data = plain(6100, 6100, "WEBP")
    same = Recipe("same", (VariantSpec("s", Format.JPEG, 50, 0, width=6100),))

    rendered = renderer.render(data, renderer.inspect(data), same, Attributes())

    assert [variant.width for variant in rendered.variants] == [6100]


def test_children_render_what_is_rendered_without_them(renderer: PoolRenderer) -> None:
    """To the byte, whichever process does it: attributes and recipe arrive whole."""
    data = picture("JPEG")
    square = VariantSpec("q", Format.JPEG, 80, 1, width=50, height=50, fit=Fit.FILL, gravity=Gravity.FOCUS)
    recipe = Recipe("square", (square,))
    attributes = Attributes(focus=FocusPoint(0.9, 0.9), extra=MappingProxyType({"any": "mapping"}))

    rendered = renderer.render(data, renderer.inspect(data), recipe, attributes)

    script = (
        "import pickle, sys; from processors.inspect import Limits, inspect; from processors.render import render;"
        "data, recipe, attributes = pickle.load(sys.stdin.buffer);"
        "sys.stdout.buffer.write(pickle.dumps(render(data, inspect(data, Limits()), recipe, attributes)))"
    )
    import pickle  # noqa: PLC0415

    plain = replace(attributes, extra={})
    done = subprocess.run(
        [sys.executable, "-c", script], input=pickle.dumps((data, recipe, plain)), capture_output=True, check=True
    )
    assert rendered == pickle.loads(done.stdout)  # noqa: S301 - our own


def test_reasons_arrive(renderer: PoolRenderer) -> None:
    """What inspection refuses, and what only decoding shows, is told apart as it was in the child."""
    whole, wide = picture("JPEG"), plain(7000, 6000)

    with pytest.raises(Permanent) as unsupported:
        renderer.inspect(b"just words")
    with pytest.raises(Permanent) as large:
        renderer.inspect(wide)
    with pytest.raises(Permanent) as truncated:
        renderer.render(whole[: len(whole) // 2], renderer.inspect(whole), SMALL, Attributes())

    reasons = [caught.value.reason for caught in (unsupported, large, truncated)]
    assert reasons == [Reason.UNSUPPORTED_FORMAT, Reason.TOO_LARGE, Reason.TRUNCATED]


def test_inspection_does_not_wait_for_renders() -> None:
    """A refusal comes in milliseconds while every renderer is busy with something slow."""
    slow = Recipe("slow", (VariantSpec("a", Format.AVIF, 90, 9, width=3000),))
    data = picture("JPEG", 3000, 2500)
    with PoolRenderer(RendererSettings(renderers=1)) as renderer, ThreadPoolExecutor(1) as threads:
        renderer.start()
        facts = renderer.inspect(data)
        busy = threads.submit(renderer.render, data, facts, slow, Attributes())
        wait_until(lambda: renderer.stats()[1].busy == 1, 10)

        for _ in range(3):
            assert renderer.inspect(data) == facts

        assert not busy.done()
        renderer.close()
        assert isinstance(busy.exception(10), PoolClosed)


def test_memory_is_admitted_in_line() -> None:
    """Images that need half the budget and more are never rendered side by side, whatever the number of children."""
    data = plain(1500, 1500)
    with PoolRenderer(RendererSettings(renderers=2, memory_bytes=10_000_000)) as renderer:
        facts = renderer.inspect(data)
        assert 5_000_000 < facts.decoded_bytes < 10_000_000
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda _: renderer.render(data, facts, SMALL, Attributes()), range(6)))

        _, _, budget = renderer.stats()
        assert (budget.peak, budget.used) == (facts.decoded_bytes, 0)


def test_what_is_written_is_read() -> None:
    """Both answers survive their way."""
    small = RenderedVariant("s", b"x", "image/webp", "webp", 64, 48, 80, "target")
    rendered = Rendered((small, _png()), b"\x01\x02", "#a0b1c2", "00ff00ff12345678")

    assert read_facts(_answer(write_facts(FACTS))) == FACTS
    assert read_rendered(_answer(write_rendered(rendered)), SMALL) == rendered


_TRUE = ["m", "image/png", "png", 96, 72, None, ""]


@pytest.mark.parametrize(
    "lie",
    [
        {
            "variants": [
                ["../../x", "image/webp", "webp", 64, 48, None, ""],
                _TRUE,
            ]
        },
        {
            "variants": [
                ["s", "image/webp", "webp/../../x", 64, 48, None, ""],
                _TRUE,
            ]
        },
        {"variants": [["s", "text/html", "webp", 64, 48, None, ""], _TRUE]},
        {"variants": [["s", "image/webp", "webp", True, 48, None, ""], _TRUE]},
        {"variants": [["s", "image/webp", "webp", -1, 48, None, ""], _TRUE]},
        {"variants": [["s", "image/webp", "webp", 64, 48, None, ""]]},
        {"variants": [["s", "image/webp", "webp", 64, 48, 101, ""], _TRUE]},
        {"variants": [["s", "image/webp", "webp", 64, 48, True, ""], _TRUE]},
        {"variants": [["s", "image/webp", "webp", 64, 48, 80, "all"], _TRUE]},
        {"variants": []},
        {"variants": None},
        {"thumbhash": "zz"},
        {"thumbhash": "00" * 65},
        {"dominant_colour": "<script>"},
        {"dominant_colour": 7},
        {"perceptual_hash": "00ff"},
        {"perceptual_hash": "00FF00FF00FF00FF"},
        {"perceptual_hash": None},
    ],
)
def test_a_lie_about_variants_is_refused(lie: dict[str, object]) -> None:
    """Names, types and sizes go into keys and events, so none is taken on trust."""
    head, parts = write_rendered(
        Rendered((RenderedVariant("s", b"x", "image/webp", "webp", 64, 48), _png()), b"\x01", "#a0b1c2")
    )
    lying = json.dumps(json.loads(head) | lie).encode()
    assert _TRUE in json.loads(head)["variants"]  # so that it is the lie which is refused

    with pytest.raises((ValueError, TypeError, KeyError)):
        read_rendered(_answer((lying, parts)), SMALL)


@pytest.mark.parametrize(
    "lie",
    [{"width": "320"}, {"width": True}, {"width": 0}, {"decoded_bytes": -1}, {"format": "exe"}, {"has_alpha": 1}],
)
def test_a_lie_about_facts_is_refused(lie: dict[str, object]) -> None:
    """Admission counts on them: a negative size would make room that is not there."""
    head, _ = write_facts(FACTS)

    with pytest.raises(ValueError, match=r"."):
        read_facts(_answer((json.dumps(json.loads(head) | lie).encode(), ())))


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("streams.adapters.pool_renderer", {"pyvips", "numpy"}),
        ("streams.adapters.render_child", {"confluent_kafka", "minio", "fastavro", "structlog"}),
    ],
)
def test_each_side_loads_only_its_own(module: str, absent: set[str]) -> None:
    """The parent never loads libvips; a child never loads what talks to the world."""
    script = f"import {module}, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert not absent & set(done.stdout.split())


def _png() -> RenderedVariant:
    return RenderedVariant("m", b"yy", "image/png", "png", 96, 72)


def _answer(said: tuple[bytes, object]) -> Answer:
    head, parts = said
    return Answer(head, tuple(memoryview(part) for part in parts))  # type: ignore[attr-defined]
