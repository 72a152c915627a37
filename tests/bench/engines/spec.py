"""What one run of the engine in a process of its own is to do, and what it found: values, as JSON between processes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

WARM_UP = 0.1
"""The share of the answers that is committed before the clock starts."""


@dataclass(frozen=True, slots=True)
class Spec:
    """One run."""

    bootstrap: str
    topics: tuple[str, ...]
    sink: str
    """Where the trivial handler answers to; not used with a configuration."""
    group: str
    expected: int
    """Records after which it ends."""
    plain: bool = False
    """Commit plainly, at least once, rather than by transactions."""
    config: str = ""
    """A configuration file: the image handler with its renderers takes the place of the trivial one."""
    sleep_ms: float = 0.0
    """How long the trivial handler sleeps over each record."""
    threads: int = 16
    lanes: dict[str, float] = field(default_factory=dict)
    starts: str = ""
    """A file to which the start of each record is written: topic, key, when published, when started."""

    def to_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Spec:
        """Read what `to_json` wrote."""
        said = json.loads(text)
        return cls(**{**said, "topics": tuple(said["topics"])})


@dataclass(frozen=True, slots=True)
class Found:
    """What the process measured; events, seconds and commits from the end of the warm-up to the last commit."""

    events: int
    seconds: float
    cpu_seconds: float
    """For each event, of the process and its children."""
    rss_bytes: int
    """The most that the process held, and what its children held at the end."""
    commits: int

    @property
    def per_second(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    @property
    def figures(self) -> dict[str, float]:
        """Return them as a table shows them."""
        return {
            "events": self.events,
            "events_per_s": self.per_second,
            "cpu_s_per_10000": 10_000 * self.cpu_seconds,
            "rss_mb": self.rss_bytes / 1e6,
            "events_a_commit": self.events / self.commits,
        }
