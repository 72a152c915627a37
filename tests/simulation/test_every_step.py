"""A worker may end at any step boundary of the protocol: killed there, or frozen there until its session is over."""

from __future__ import annotations

import pytest

from tests.simulation.every_step import End, every_step


@pytest.mark.parametrize("images", [False, True], ids=["engine", "images"])
@pytest.mark.parametrize("end", End)
def test_no_step_is_a_bad_one_to_end_at(end: End, *, images: bool) -> None:
    """Every promise holds, whichever step of a small schedule the worker ends at."""
    steps, broken = every_step(1, end, images=images)

    assert steps > 100
    assert broken == {}
