"""The states of a worker: why nothing happens when nothing happens, and what an operator is to do about it.

Only names, meanings and the order of precedence; who finds the facts is `streams.runtime.report`, and how long a state
has lasted is `streams.runtime.watch`'s business.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class State(StrEnum):
    """What a worker is doing, or waits for. The same words stand in logs, readiness, metrics and docs."""

    STARTING = "starting"
    WORKING = "working"
    ASSIGNMENT = "waiting: assignment"
    POSITIONS = "waiting: positions"
    KAFKA = "waiting: kafka"
    COMMIT = "waiting: commit"
    STORE = "paused: store"
    REGISTRY = "paused: registry"
    RENDERER = "paused: renderer"
    BUDGET = "paused: budget"
    OPERATOR = "stopped: partitions"
    DRAINING = "draining"
    FENCED = "fenced"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a state asks of others."""

    ready: bool
    """Whether the worker can do its job now."""
    settles_s: float
    """How long it lasts before it is worth a log line: what passes by itself in the course of work is none."""
    trouble: bool = False
    """True if nothing moves until somebody or something outside does: worth a reminder."""
    do: str = ""
    """What the operator is to do, if it is the operator's turn."""


MEANINGS: Mapping[State, Meaning] = {
    State.STARTING: Meaning(ready=False, settles_s=10.0),
    State.WORKING: Meaning(ready=True, settles_s=0.0),
    State.ASSIGNMENT: Meaning(ready=True, settles_s=3.0),
    State.POSITIONS: Meaning(
        ready=True, settles_s=3.0, trouble=True, do="wait: a dead worker's transaction may still be open; then Kafka"
    ),
    State.KAFKA: Meaning(ready=False, settles_s=0.0, trouble=True, do="mend Kafka or the way to it"),
    State.COMMIT: Meaning(
        ready=False, settles_s=0.0, trouble=True, do="see why: output topics, rights, coordinators of the transactions"
    ),
    State.STORE: Meaning(ready=False, settles_s=0.0, trouble=True, do="mend the store or the way to it"),
    State.REGISTRY: Meaning(ready=False, settles_s=0.0, trouble=True, do="mend the registry or the way to it"),
    State.RENDERER: Meaning(ready=False, settles_s=0.0, trouble=True, do="see why: the host starts no processes"),
    State.BUDGET: Meaning(ready=True, settles_s=5.0),
    State.OPERATOR: Meaning(
        ready=False, settles_s=0.0, trouble=True, do="decide: darkroom offsets init or rebuild, as why says"
    ),
    State.DRAINING: Meaning(ready=False, settles_s=0.0),
    State.FENCED: Meaning(
        ready=False, settles_s=0.0, do="find the other worker with this transactional id, and stop one of the two"
    ),
    State.STOPPED: Meaning(ready=False, settles_s=0.0),
}
SERVICES = {"store": State.STORE, "registry": State.REGISTRY, "kafka": State.KAFKA}
"""Breakers by name; any other is one of the render processes' pools."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a state is found from."""

    pause: tuple[str, str] | None = None
    """`Loop.cause_of_pause`."""
    kafka: str = ""
    """Why Kafka counts as silent; empty while it answers."""
    commit: str = ""
    """Why nothing is committed though something waits for it; empty otherwise."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """`Loop.counts`."""
    late_positions: bool = False
    """Positions are awaited for longer than an assignment explains."""
    stopped: Mapping[str, str] = field(default_factory=dict)
    """Why, by name of the partition."""


def find_state(facts: Facts) -> tuple[State, str]:
    """Return the state that explains most, and why in a few words."""
    cause, detail = facts.pause or ("", "")
    if cause == "fenced":
        return State.FENCED, detail
    if cause == "draining":
        return State.DRAINING, detail
    if facts.kafka:
        return State.KAFKA, facts.kafka
    if cause and cause != "budget":
        return SERVICES.get(cause, State.RENDERER), detail
    if facts.commit:
        return State.COMMIT, facts.commit
    return _find_quiet(facts, full=cause == "budget", detail=detail)


def _find_quiet(facts: Facts, *, full: bool, detail: str) -> tuple[State, str]:
    assigned, awaited = facts.counts.get("assigned", 0), facts.counts.get("awaiting_position", 0)
    if awaited and (facts.late_positions or not assigned):
        return State.POSITIONS, f"the group's positions on {awaited} partitions are not known yet"
    if facts.stopped:
        place, why = next(iter(facts.stopped.items()))
        return State.OPERATOR, f"{len(facts.stopped)} of {len(facts.stopped) + assigned}, among them {place}: {why}"
    if full:
        return State.BUDGET, detail
    if not assigned:
        return State.ASSIGNMENT, "the group has given this worker no partition"
    return State.WORKING, ""
