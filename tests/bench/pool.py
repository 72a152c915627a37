"""What the render pool costs: the same photographs by hand, by our renderer, and through the contained children.

Also the border alone: calls whose child does nothing, with the bytes of a photograph in and of its variants out.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from processors.facts import Limits
from processors.inspect import inspect
from processors.recipe_file import load_folder
from processors.render import render
from schemas.events import Attributes
from streams.adapters.pool_renderer import PoolRenderer, RendererSettings
from streams.runtime.pool import Answer, Pool, PoolSettings
from tests.bench import bare
from tests.bench.harness import compare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processors.ports import Renderer
    from streams.runtime.pool_wire import Serve

OUT = 400_000
"""Bytes that the four variants of a photograph have together."""
CALLS = 200


def silent(_options: None) -> Serve:
    """Entry point of a child that only hands bytes back."""
    variants = bytes(OUT)

    def serve(_command: bytes, _data: bytes) -> tuple[bytes, Sequence[bytes]]:
        return b"", (variants,)

    return serve


def main() -> None:
    """Compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--times", type=int, default=6, help="how often each of the four photographs, in a round")
    options = parser.parse_args()
    times: int = options.times
    recipe, limits = load_folder(None)["web"], Limits()
    assert sorted(variant.width or 0 for variant in recipe.variants) == sorted(bare.WIDTHS), "no longer the same work"
    bare.configure()
    with tempfile.TemporaryDirectory() as folder:
        photos = [path.read_bytes() for path in bare.photographs(Path(folder))]

    def ours() -> int:
        for data in photos * times:
            render(data, inspect(data, limits), recipe, Attributes())
        return len(photos) * times

    def pooled(renderer: Renderer) -> int:
        for data in photos * times:
            renderer.render(data, renderer.inspect(data), recipe, Attributes())
        return len(photos) * times

    def border(pool: Pool) -> int:
        for _ in range(CALLS):
            pool.call(b"", photos[0], _whole)
        return CALLS

    with (
        PoolRenderer(RendererSettings(renderers=1)) as renderer,
        Pool(PoolSettings("silent", "tests.bench.pool:silent")) as pool,
    ):
        renderer.start()
        pool.start()
        contenders = {
            "bare": lambda: bare.loop(photos, times),
            "renderer": ours,
            "pool": lambda: pooled(renderer),
            "border": lambda: border(pool),
        }
        print(f"four photographs of {sum(map(len, photos)) // len(photos)} bytes; a unit is an image, or a call")
        compare("pool", contenders, rounds=options.rounds)


def _whole(answer: Answer) -> bytes:
    return bytes(answer.parts[0])


if __name__ == "__main__":
    main()
