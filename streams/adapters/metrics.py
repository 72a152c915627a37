"""A worker's figures in Prometheus' text format, read at the moment of the scrape; between scrapes it costs nothing.

Labels take values from short fixed lists only. What the figures mean is said in `streams.runtime.report`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from streams.runtime.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prometheus_client.core import Metric

    from streams.runtime.report import Figures

GAUGES = (
    ("darkroom_records_in_flight", "Records that handler threads have, or are about to have.", "in_flight"),
    ("darkroom_records_held", "Records polled and not yet committed.", "held"),
    ("darkroom_held_bytes", "Their bytes.", "held_bytes"),
    ("darkroom_records_retrying", "Records that wait for another attempt.", "retrying"),
    ("darkroom_records_to_commit", "Finished records that wait for a transaction.", "to_commit"),
)
PARTITIONS = ("assigned", "awaiting_position", "stopped")


class WorkerCollector(Collector):
    """Turns figures into metrics."""

    def __init__(self, figures: Callable[[], Figures]) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        """Read the figures once and yield every metric."""
        found = self._figures()
        yield from _states(found)
        for name, says, count in GAUGES:
            yield GaugeMetricFamily(name, says, value=found.counts.get(count, 0))
        partitions = GaugeMetricFamily("darkroom_partitions", "Partitions of this worker by state.", labels=["state"])
        for how in PARTITIONS:
            partitions.add_metric([how], found.counts.get(how, 0))
        yield partitions
        ended = CounterMetricFamily("darkroom_transactions", "Transactions by how they ended.", labels=["result"])
        for verdict, times in found.transactions.items():
            ended.add_metric([verdict.value], times)
        yield ended
        yield CounterMetricFamily("darkroom_records_answered", "Records whose answers committed.", found.answered)
        yield CounterMetricFamily("darkroom_retries", "Attempts that failed and were tried again.", found.retries)
        yield CounterMetricFamily("darkroom_producer_renewals", "New epochs of the producer.", found.renewals)
        yield GaugeMetricFamily("darkroom_worker_step_age_seconds", "Since the engine's last step.", found.step_age_s)


def _states(found: Figures) -> Iterable[Metric]:
    now = GaugeMetricFamily("darkroom_worker_state", "1 for the state that the worker is in.", labels=["state"])
    lasted = CounterMetricFamily("darkroom_worker_state_seconds", "Time spent in each state.", labels=["state"])
    for state in State:
        now.add_metric([state.value], float(state is found.state))
        lasted.add_metric([state.value], found.state_seconds.get(state, 0.0))
    yield now
    yield lasted


def exposition(figures: Callable[[], Figures]) -> Callable[[], bytes]:
    """Return a function that writes the worker's metrics, and the process's own, in the text format."""
    registry = CollectorRegistry()
    registry.register(WorkerCollector(figures))
    ProcessCollector(registry=registry)
    return lambda: generate_latest(registry)
