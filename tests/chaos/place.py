"""Where a run works: configuration files for both ways to the servers, a small recipe, topics, subjects, buckets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streams.compose.stores import make_store
from streams.settings import load
from tests.chaos.timetable import SESSION_S
from tests.command import Darkroom
from tests.support import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from streams.settings import Settings
    from tests.support import Stack

RECIPE = """\
description = "One small picture: the run is about events."

[[variant]]
name = "s32"
format = "webp"
quality = 70
width = 32
height = 32
fit = "fill-down"
"""
START_S = 60.0
PARTITIONS = 4


@dataclass(frozen=True, slots=True)
class Ways:
    """The two ways to brokers and store; where nothing is broken on the way, the same."""

    direct: Stack
    proxied: Stack


@dataclass(frozen=True, slots=True)
class Place:
    """One installation with both ways to it."""

    direct: Darkroom
    """For who watches and publishes."""
    workers: Darkroom
    settings: Settings
    """The direct ones."""


def make_place(name: str, folder: Path, ways: Ways, *, copies: int, topics: bool = True) -> Place:
    """Write the files and make everything (the topics if wanted), with the verbs that users have."""
    recipes = folder / "recipes"
    recipes.mkdir(parents=True)
    (recipes / "chaos.toml").write_text(RECIPE)
    darkrooms = []
    for way, stack in (("direct", ways.direct), ("proxied", ways.proxied)):
        file = folder / f"{way}.toml"
        file.write_text(_configuration(name, stack, recipes, copies))
        darkrooms.append(Darkroom(folder, file))
    settings = load(darkrooms[0].config).settings
    for verb in (*(["topics create"] if topics else []), "schemas register"):
        wait_until(lambda verb=verb: _done(darkrooms[0], verb), START_S, what=verb)  # type: ignore[misc]
    store = make_store(settings)
    for bucket in (settings.store.bucket, settings.store.upload_bucket):
        store.make_bucket(bucket)
    return Place(darkrooms[0], darkrooms[1], settings)


def _done(darkroom: Darkroom, verb: str) -> bool:
    answer = darkroom.run(*verb.split())
    if answer.returncode != 0:
        raise RuntimeError(answer.stderr)
    return True


def _configuration(name: str, stack: Stack, recipes: Path, copies: int) -> str:
    return f"""\
[kafka]
bootstrap_servers = "{stack.bootstrap}"
topic_prefix = "{name}."
group = "{name}"
session_timeout_s = {SESSION_S}
[registry]
url = "{stack.registry_url}"
[store]
endpoint = "{stack.s3_endpoint}"
access_key = "{stack.s3_access_key}"
secret_key = "{stack.s3_secret_key}"
secure = false
bucket = "{name}"
upload_bucket = "{name}-uploads"
[topics]
replication = {copies}
min_isr = {max(1, copies - 1)}
partitions = {PARTITIONS}
[recipes]
folder = "{recipes}"
default = "chaos"
[worker]
renderers = 1
slots_folder = "{recipes.parent / "slots"}"
"""
