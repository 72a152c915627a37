"""Work on images (to come): until then the engine alone."""

from __future__ import annotations

from tests.simulation.plain import PlainWork


class ImageWork(PlainWork):
    """As plain as that."""
