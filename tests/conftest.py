"""What every test may ask for: the real stack, and names that nobody else uses.

In CI a skipped test counts as failed: there, everything a test needs is promised to be present.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest
from hypothesis import HealthCheck, settings

from tests.support import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

# A machine under load is no failure of the code.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

STACK_FILE = "DARKROOM_TEST_STACK"


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Yield the real Kafka, MinIO and registry: those of the file in DARKROOM_TEST_STACK, else started for us."""
    if given := os.environ.get(STACK_FILE):
        yield Stack.read(Path(given))
        return
    from infra.local.stack import ephemeral_stack  # noqa: PLC0415 - only a run that starts servers needs it

    with ephemeral_stack() as path:
        yield Stack.read(path)


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Return a function from a word to a name never used before; fit for topics, groups, subjects and buckets."""
    return lambda word: f"{word}-{uuid.uuid4().hex[:12]}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that hold slow tests: started last they would leave the other cores idle at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def _fail_if_skipped(report: Report) -> Report:
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"a skip counts as a failure in CI: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failed one in CI."""
    return _fail_if_skipped((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn a skipped module into a failed one in CI."""
    return _fail_if_skipped((yield))
