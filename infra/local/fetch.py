"""Fetch the servers of the local stack, pinned, into `.darkroom/cache`, each by its own ecosystem's client.

A folder's name contains the hash of its pin, so a changed pin fetches again; it appears by one rename, so a folder that
is there is whole. What is about to be fetched is said first.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.local.paths import CACHE, HERE

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from pathlib import Path

GO_PINS = HERE / "go-pins.txt"
QUIET = 10.0
"""Seconds between two progress lines where they cannot be written over each other."""


class FetchError(Exception):
    """A build tool failed; the message holds the end of what it said."""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing to fetch: the command writes into the folder that stands where it says ``{target}``."""

    name: str
    what: str
    client: str
    """Parts of one client are fetched one after the other: two Mavens would write into one repository."""
    pin: str
    command: tuple[str, ...]
    progress: str
    """A pattern of the output lines that count as progress."""

    @property
    def folder(self) -> Path:
        """Where it is, once fetched."""
        return CACHE / f"{self.name}-{hashlib.sha256(self.pin.encode()).hexdigest()[:12]}"


def _maven(name: str, what: str, pom: Path, goal: tuple[str, ...]) -> Part:
    text = pom.read_text()
    # the plugin's pin stands after its own artifact's name, so the artifact is looked for by name
    found = re.search(r"<artifactId>(?:kafka_2.13|apicurio-registry-app)</artifactId>\s*<version>([^<]+)", text)
    version = found[1] if found else "?"
    command = ("mvn", "--batch-mode", "--file", str(pom), *goal)
    return Part(name, what.format(version=version), "mvn", text, command, r"Downloaded from|Copying|Unpacking")


def _go(name: str, title: str, cost: str) -> Part:
    pins = [line.split() for line in GO_PINS.read_text().splitlines() if not line.startswith("#")]
    package, version = next((pin[1], pin[2]) for pin in pins if pin[0] == name)
    command = ("go", "install", "-v", f"{package}@{version}")
    return Part(name, f"{title} {version} by Go, {cost}", "go", f"{package}@{version}", command, r"^\S+$|downloading")


def kafka() -> Part:
    """Kafka's jars, in `libs`."""
    goal = ("dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory={target}/libs")
    return _maven("kafka", "Apache Kafka {version} by Maven, 54 MB", HERE / "kafka" / "pom.xml", goal)


def registry() -> Part:
    """The schema registry, unpacked."""
    goal = ("dependency:unpack", "-Dtarget={target}")
    return _maven("registry", "Apicurio Registry {version} by Maven, 109 MB", HERE / "registry" / "pom.xml", goal)


def minio() -> Part:
    """MinIO, one program."""
    return _go("minio", "MinIO", "built from source, about 4 minutes on 2 cores the first time")


def toxiproxy() -> Part:
    """Toxiproxy, one program named `server`."""
    return _go("toxiproxy", "Toxiproxy", "built from source")


def fetch(parts: Iterable[Part]) -> None:
    """Bring in what is not there yet; raise `FetchError` if a build tool fails."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / ".lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # two runs at once: the second finds what the first fetched
        missing = [part for part in parts if not part.folder.exists()]
        if not missing:
            return
        print("Fetching, once, into .darkroom/cache:", file=sys.stderr)
        for part in missing:
            print(f"  - {part.what}", file=sys.stderr, flush=True)
        _fetch_all(missing)


def _fetch_all(missing: list[Part]) -> None:
    clients = [[part for part in missing if part.client == client] for client in {part.client for part in missing}]
    lanes = [_fetch_in_turn(parts) for parts in clients]
    screen = _Screen()
    try:
        while lanes:
            states = []
            for lane in list(lanes):
                state = next(lane, None)
                if state is None:
                    lanes.remove(lane)
                else:
                    states.append(state)
            screen.show(states)
            time.sleep(0.2)
    finally:
        for lane in lanes:
            lane.close()
        screen.clear()


def _fetch_in_turn(parts: list[Part]) -> Generator[str, None, None]:
    """Fetch one part after the other, yielding a word on the progress; closing it stops and cleans up."""
    for part in parts:
        target = part.folder.with_suffix(f".{os.getpid()}")
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        log = target / "fetch.log"
        command = [word.replace("{target}", str(target)) for word in part.command]
        environment = {name: value for name, value in os.environ.items() if name not in {"GOOS", "GOARCH"}}
        with log.open("w") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment | {"GOBIN": str(target)},
            )
        began = time.monotonic()
        try:
            while process.poll() is None:
                steps = len(re.findall(part.progress, log.read_text(errors="replace"), flags=re.MULTILINE))
                yield f"{part.name} {time.monotonic() - began:.0f} s, {steps} steps"
            if process.returncode != 0:
                said = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
                raise FetchError(f"fetching {part.what} failed: `{' '.join(command)}` said\n{said}")
            target.rename(part.folder)
            yield f"{part.name} done in {time.monotonic() - began:.0f} s"
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
            shutil.rmtree(target, ignore_errors=True)


class _Screen:
    """One moving line on a terminal; elsewhere a line every ten seconds."""

    def __init__(self) -> None:
        self._next = time.monotonic() + QUIET
        self._moving = sys.stderr.isatty()

    def show(self, states: list[str]) -> None:
        if self._moving:
            print(f"\r\033[K  {'; '.join(states)}", end="", file=sys.stderr, flush=True)
        elif states and (time.monotonic() >= self._next or any(" done in " in state for state in states)):
            self._next = time.monotonic() + QUIET
            print(f"  {'; '.join(states)}", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._moving:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
