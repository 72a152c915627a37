"""The short form of `just mutants`: what holds the engine's rules notices when one of them is taken back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.simulation.mutants import try_one
from tests.simulation.mutations import MUTATIONS

SCHEDULES = 20
"""Enough for every mutation that any schedule catches; the others are the unit tests'."""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_rule_that_is_taken_back_is_missed() -> None:
    """No breakage of ledger, map, loop, commit line or committer goes unnoticed."""
    with ThreadPoolExecutor(2) as pool:
        verdicts = list(pool.map(lambda mutation: try_one(mutation, SCHEDULES), MUTATIONS))

    assert [verdict.mutation.name for verdict in verdicts if not verdict.caught_by] == []
