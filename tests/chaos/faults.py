"""Carries a timetable out: each track waits for its next fault, begins it, ends it, and waits until all is whole again.

Called again and again from one thread (`Chaos.step`), it never sleeps; a track that is held up moves the rest of its
faults back, so the same things happen, later.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.chaos.cluster import STORE
from tests.chaos.timetable import NETWORK, SERVERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.chaos.cluster import Cluster
    from tests.chaos.fleet import Fleet
    from tests.chaos.stalls import Window
    from tests.chaos.timetable import Fault, Timetable

HEALTH_S: Final = 0.5
"""Between two questions whether the servers are whole again."""
REST_S: Final = 2.0
"""Left alone at the least between two faults of a track that was held up."""


@dataclass(slots=True)
class Done:
    """A fault that was carried out."""

    fault: Fault
    server: str
    """What it hit really, where that depends on who is controller."""
    window: Window
    """From its beginning until all was whole again."""


@dataclass(slots=True)
class _Track:
    todo: deque[Fault]
    late: float = 0.0
    now: Fault | None = None
    server: str = ""
    began: float = 0.0
    ended: bool = False
    """The fault is over, but not everything is whole again."""
    looked: float = 0.0
    rest_until: float = 0.0


@dataclass(slots=True)
class Chaos:
    """Both tracks, and what was done so far."""

    cluster: Cluster
    fleet: Fleet
    timetable: Timetable
    began: float
    done: list[Done] = field(default_factory=list)
    _tracks: list[_Track] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._tracks = [_Track(deque(self.timetable.servers)), _Track(deque(self.timetable.clients))]

    @property
    def over(self) -> bool:
        """Tell whether nothing is left to do, and everything is whole again."""
        return not any(track.now or track.todo for track in self._tracks)

    def step(self, now: float) -> None:
        """Do what is due."""
        for track in self._tracks:
            if track.now is None:
                if track.todo and now >= max(self.began + track.late + track.todo[0].at, track.rest_until):
                    self._begin(track, now)
            elif not track.ended:
                if now >= track.began + track.now.seconds:
                    self._end(track.now, track.server)
                    track.ended = True
            elif now >= track.looked + HEALTH_S:
                track.looked = now
                self._look(track)

    def windows(self, kinds: Iterable[str], grace: float) -> list[Window]:
        """Return when faults of these kinds were under way, each with so many seconds more."""
        wanted = frozenset(kinds)
        return [(each.window[0], each.window[1] + grace) for each in self.done if each.fault.kind in wanted]

    def _begin(self, track: _Track, now: float) -> None:
        track.now, track.began, track.ended, track.looked = track.todo.popleft(), now, False, 0.0
        track.late = max(track.late, now - self.began - track.now.at)
        track.server = self._server(track.now)
        kind, name = track.now.kind, track.now.target
        what, _, _ = kind.partition("_")
        if kind in SERVERS:
            self.cluster.end(track.server, hard=kind != "broker_stop")
        elif kind in NETWORK:
            self.cluster.proxies.spoil(name, what, track.now.amount)
        else:
            {
                "worker_kill": self.fleet.kill,
                "worker_freeze": self.fleet.freeze,
                "worker_add": self.fleet.start,
                "worker_remove": self.fleet.leave,
            }[kind](name)

    def _end(self, fault: Fault, server: str) -> None:
        if fault.kind in SERVERS:
            self.cluster.start(server)
        elif fault.kind in NETWORK:
            self.cluster.proxies.heal(fault.target)
        elif fault.kind == "worker_kill":
            self.fleet.start(fault.target)
        elif fault.kind == "worker_freeze":
            self.fleet.wake(fault.target)

    def _look(self, track: _Track) -> None:
        fault = track.now
        if fault is None or (fault.kind in SERVERS and not self.cluster.healthy()):
            return
        whole = time.monotonic()
        self.done.append(Done(fault, track.server, (track.began, whole)))
        track.now = None
        track.rest_until = whole + REST_S

    def _server(self, fault: Fault) -> str:
        if fault.kind == "controller_kill":
            return self.cluster.controller()
        return {"store": STORE}.get(fault.target, f"kafka-{fault.target}") if fault.kind in SERVERS else fault.target
