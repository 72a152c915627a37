"""What the peers are, pinned: fetched once into `.darkroom/cache` by pip and Maven, apart from our own environment."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Final

from infra.local import fetch
from infra.local.fetch import FetchError, Part

HERE: Final = Path(__file__).parent
QUIX: Final = "3.28.1"
"""It wants confluent-kafka < 2.13, so it cannot live beside ours."""

PY_SPY: Final = "0.4.3"


def quix() -> Part:
    """Quix Streams in a virtual environment of its own."""
    venv = "{target}/venv"
    script = f'"{sys.executable}" -m venv {venv} && {venv}/bin/python -m pip install quixstreams=={QUIX}'
    return Part(
        "quix", f"Quix Streams {QUIX} by pip, 131 MB installed", "pip", script, ("sh", "-c", script), r"Collecting"
    )


def py_spy() -> Part:
    """The profiler, in a virtual environment of its own: only `--profile` wants it."""
    venv = "{target}/venv"
    script = f'"{sys.executable}" -m venv {venv} && {venv}/bin/python -m pip install py-spy=={PY_SPY}'
    return Part("py-spy", f"py-spy {PY_SPY} by pip", "pip", script, ("sh", "-c", script), r"Collecting")


def java(name: str, what: str) -> Part:
    """A Java peer: its jars by Maven, then its one class compiled beside them."""
    folder = HERE / name
    pom, source = folder / "pom.xml", folder / "Contestant.java"
    maven = f'mvn --batch-mode --file "{pom}" dependency:copy-dependencies -DincludeScope=runtime'
    script = (
        f'{maven} -DoutputDirectory={{target}}/libs && javac -cp "{{target}}/libs/*" -d {{target}}/classes "{source}"'
    )
    return Part(name, f"{what} by Maven", "mvn", pom.read_text() + source.read_text(), ("sh", "-c", script), r"Copying")


def java_command(part: Part) -> tuple[str, ...]:
    """Return how it is run: a JVM's defaults but for the heap and the place of its temporary files."""
    folder = part.folder
    paths = f"{folder / 'classes'}:{folder / 'libs'}/*"
    return ("java", "-Xmx512m", f"-Djava.io.tmpdir={folder}", "-cp", paths, "Contestant")


STREAMS: Final = java("kafka_streams", "Kafka Streams")
PARALLEL: Final = java("parallel_consumer", "Confluent Parallel Consumer")


def missing(part: Part | None) -> str:
    """Fetch a peer; return why that is not possible, or nothing."""
    if part is None:
        return ""
    if part.client == "mvn" and not (shutil.which("mvn") and shutil.which("javac")):
        return "it needs mvn and a JDK on the PATH"
    try:
        fetch.fetch([part])
    except FetchError as error:
        return str(error)
    return ""
