"""Which fault comes when, computed from the seed before anything starts: the same seed, the same faults.

Two tracks run beside each other. On one, servers go and come back, never two at a time: with three copies and two
in-sync ones, one may be away. On the other, workers and connections suffer. Pure; carried out by ``faults``.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVERS: Final = ("broker_kill", "broker_stop", "controller_kill", "store_kill")
WORKERS: Final = ("worker_kill", "worker_freeze", "worker_add", "worker_remove")
NETWORK: Final = (
    "reset_broker",
    "reset_store",
    "latency_broker",
    "latency_store",
    "bandwidth_broker",
    "bandwidth_store",
)
KINDS: Final = SERVERS + WORKERS + NETWORK
BROKERS: Final = 3
FEWEST, MOST, AT_FIRST = 2, 4, 3
"""Workers."""
SESSION_S: Final = 6.0
"""The shortest that brokers allow by default; a freeze is longer."""
RECOVERY_S: Final = 14.0
"""Allowed for a server to be whole again before the next one goes; if it takes longer, the track waits."""
LONG_S: Final = 300.0
"""A longer run leaves more room between its faults, so that throughput under fire says something."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. Its track waits until it is over."""

    at: float
    """Seconds after the faults began; later if the track was held up."""
    kind: str
    target: str
    """A worker's name, a broker's number, ``controller`` or ``store``."""
    seconds: float
    """Until the server or worker is started again, woken, or the connection is left alone."""
    amount: int = 0
    """Latency in milliseconds, bandwidth in KB/s."""

    def __str__(self) -> str:
        amount = {"latency": f" {self.amount} ms", "bandwidth": f" {self.amount} KB/s"}
        return (
            f"{self.at:7.1f} s  {self.kind:16} {self.target:10} for {self.seconds:4.1f} s"
            f"{amount.get(self.kind.partition('_')[0], '')}"
        )


@dataclass(frozen=True, slots=True)
class Timetable:
    """Both tracks."""

    servers: tuple[Fault, ...]
    clients: tuple[Fault, ...]

    @property
    def faults(self) -> list[Fault]:
        """Return all in the order of their times."""
        return sorted(self.servers + self.clients, key=lambda fault: fault.at)


def make_timetable(seed: int, seconds: float) -> Timetable:
    """Return the faults of a run whose fault phase lasts so long."""
    room = 1.0 if seconds <= LONG_S else 3.0
    servers = _servers(random.Random(f"servers {seed}"), seconds, room)  # noqa: S311 - a timetable is no secret
    clients = _clients(random.Random(f"clients {seed}"), seconds, room)  # noqa: S311
    return Timetable(tuple(servers), tuple(clients))


def _servers(dice: random.Random, seconds: float, room: float) -> Iterator[Fault]:
    at, brokers, bag = 3.0, _one_after_the_other(dice), _bag(dice, SERVERS)
    while True:
        kind = next(bag)
        away = round(dice.uniform(10, min(30, max(10, seconds / 6))) if kind == "store_kill" else dice.uniform(3, 8), 1)
        if at + away > seconds:
            return
        target = {"store_kill": "store", "controller_kill": "controller"}.get(kind) or next(brokers)
        yield Fault(round(at, 1), kind, target, away)
        at += away + RECOVERY_S + dice.uniform(2, 5) * room


def _one_after_the_other(dice: random.Random) -> Iterator[str]:
    order = [str(number + 1) for number in range(BROKERS)]
    dice.shuffle(order)
    while True:
        yield from order


def _bag(dice: random.Random, kinds: tuple[str, ...]) -> Iterator[str]:
    """Draw every kind once before any comes again."""
    while True:
        yield from dice.sample(kinds, len(kinds))


@dataclass(slots=True)
class _Fleet:
    """Who is there, as far as the timetable knows."""

    names: list[str] = field(default_factory=lambda: [f"w{number + 1}" for number in range(AT_FIRST)])
    made: int = AT_FIRST

    def add(self) -> str:
        self.made += 1
        self.names.append(f"w{self.made}")
        return self.names[-1]


def _clients(dice: random.Random, seconds: float, room: float) -> Iterator[Fault]:
    at, fleet, bag = 2.0, _Fleet(), _bag(dice, WORKERS + NETWORK)
    while True:
        fault = _client_fault(dice, fleet, next(bag), at)
        if fault.at + fault.seconds > seconds:
            return
        yield fault
        at += fault.seconds + dice.uniform(2, 5) * room


def _client_fault(dice: random.Random, fleet: _Fleet, kind: str, at: float) -> Fault:
    at = round(at, 1)
    if kind in NETWORK:
        target = "store" if kind.endswith("store") else str(dice.randint(1, BROKERS))
        amount = {"latency": dice.randrange(50, 400, 50), "bandwidth": dice.randrange(4, 40, 4)}
        return Fault(at, kind, target, round(dice.uniform(3, 8), 1), amount.get(kind.partition("_")[0], 0))
    if kind == "worker_add" and len(fleet.names) < MOST:
        return Fault(at, kind, fleet.add(), 0.0)
    target = dice.choice(fleet.names)
    if kind == "worker_remove" and len(fleet.names) > FEWEST:
        fleet.names.remove(target)
        return Fault(at, kind, target, 0.0)
    if kind == "worker_freeze":
        return Fault(at, kind, target, round(SESSION_S + dice.uniform(2, 8), 1))
    return Fault(at, "worker_kill", target, round(dice.uniform(0.5, 4), 1))
