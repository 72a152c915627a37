"""Every setting of darkroom, validated in one place: what `load` returns is complete, or it raises with every problem.

Nothing here opens a connection; only this package and the composition root read the environment.
"""

from __future__ import annotations

from streams.settings.connections import Kafka, Registry, SourceRule, Store
from streams.settings.load import Loaded, Problem, SettingsError, load
from streams.settings.root import Settings
from streams.settings.work import Lanes, Limits, Log, Recipes, Topics, Worker

__all__ = [
    "Kafka",
    "Lanes",
    "Limits",
    "Loaded",
    "Log",
    "Problem",
    "Recipes",
    "Registry",
    "Settings",
    "SettingsError",
    "SourceRule",
    "Store",
    "Topics",
    "Worker",
    "load",
]
