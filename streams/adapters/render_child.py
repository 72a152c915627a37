"""What runs in the pool's children: headers inspected and images rendered, one call at a time; libvips is loaded here.

The parent's half is ``streams.adapters.pool_renderer``. Commands come pickled (the parent is trusted); answers go as
JSON and raw bytes, because nothing that was said beside hostile pixels may be unpickled where the secrets are.
"""

from __future__ import annotations

import json
import pickle
from dataclasses import asdict
from typing import TYPE_CHECKING

from processors.inspect import inspect
from processors.render import render
from processors.vips import configure_vips

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processors.facts import Limits
    from streams.runtime.pool_wire import Serve


def inspector(limits: Limits) -> Serve:
    """Return what answers any command with the facts of the data."""
    configure_vips()

    def serve(_command: bytes, data: memoryview) -> tuple[bytes, Sequence[bytes]]:
        return json.dumps(asdict(inspect(bytes(data), limits))).encode(), ()

    return serve


def renderer(_options: None) -> Serve:
    """Return what renders the data as the command, (facts, recipe, attributes), says; the variants are the parts."""
    configure_vips()

    def serve(command: bytes, data: memoryview) -> tuple[bytes, Sequence[bytes]]:
        facts, recipe, attributes = pickle.loads(command)  # noqa: S301  (the parent's own words)
        rendered = render(bytes(data), facts, recipe, attributes)
        head = {
            "variants": [
                [each.name, each.content_type, each.extension, each.width, each.height] for each in rendered.variants
            ],
            "thumbhash": rendered.thumbhash.hex(),
            "dominant_colour": rendered.dominant_colour,
        }
        return json.dumps(head).encode(), [each.data for each in rendered.variants]

    return serve
