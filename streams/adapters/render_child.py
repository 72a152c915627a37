"""What runs in the pool's children: headers inspected and images rendered, one call at a time; libvips is loaded here.

The parent's half is ``streams.adapters.pool_renderer``. Commands come pickled: the parent is trusted. Answers do not:
see ``streams.adapters.render_answers``.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

from processors.inspect import inspect
from processors.render import render
from processors.vips import configure_vips
from streams.adapters.render_answers import write_facts, write_rendered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processors.facts import Limits
    from streams.runtime.pool_wire import Serve


def inspector(limits: Limits) -> Serve:
    """Return what answers any command with the facts of the data."""
    configure_vips()

    def serve(_command: bytes, data: bytes) -> tuple[bytes, Sequence[bytes]]:
        return write_facts(inspect(data, limits))

    return serve


def renderer(_options: None) -> Serve:
    """Return what renders the data as the command, (facts, recipe, attributes), says; the variants are the parts."""
    configure_vips()

    def serve(command: bytes, data: bytes) -> tuple[bytes, Sequence[bytes]]:
        facts, recipe, attributes = pickle.loads(command)  # noqa: S301  (the parent's own words)
        return write_rendered(render(data, facts, recipe, attributes))

    return serve
