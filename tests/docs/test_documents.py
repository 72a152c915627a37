"""What the documents tell people to type works: every block marked ``<!-- run -->`` runs on the real stack."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.pictures import photo
from tests.cli.worker import RunningWorker
from tests.command import Darkroom, make_place
from tests.support import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support import Stack

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", "docs/operations.md", "docs/client.md")
MARKED = re.compile(r"<!-- run -->\n```(sh|python)\n(.*?)```", re.DOTALL)
ANY = re.compile(r"^```(python)\n(.*?)^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
LIMIT_S = 60


def blocks(name: str) -> list[tuple[str, str]]:
    """Return language and text of what is to be run: in the client's document every Python block."""
    text = (ROOT / name).read_text()
    return (ANY if name == "docs/client.md" else MARKED).findall(text)


@pytest.fixture(scope="module")
def folder(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Darkroom]:
    """Yield a reader's folder: a picture, a configuration, a running worker, and `darkroom` on the path."""
    where = tmp_path_factory.mktemp("docs")
    place = make_place(stack, where, f"docs-{os.getpid()}-{where.name}")
    photo(where / "cat.jpg")
    command = where / "bin" / "darkroom"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.join(Darkroom.command(()))} "$@"\n')
    command.chmod(0o755)
    with place.started("worker") as process:
        running = RunningWorker(process)
        wait_until(lambda: running.port, LIMIT_S, what="the worker's start")
        yield place


@pytest.mark.parametrize("name", DOCUMENTS)
def test_marked_blocks_run(folder: Darkroom, name: str) -> None:
    """In the order of the document, each in a process of its own."""
    found = blocks(name)
    assert found
    environment = folder.environment({})
    environment["PATH"] = f"{folder.folder / 'bin'}{os.pathsep}{environment['PATH']}"
    uploads = folder.config.read_text().partition('upload_bucket = "')[2].partition('"')[0]
    for language, text in found:
        code = text.replace("s3://uploads/", f"s3://{uploads}/")
        command = ["sh", "-e", "-c", code] if language == "sh" else [sys.executable, "-c", code]
        done = subprocess.run(
            command,
            cwd=folder.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize(
    "name", sorted(str(path.relative_to(ROOT)) for path in [ROOT / "README.md", *ROOT.glob("docs/*.md")])
)
def test_links_lead_somewhere(name: str) -> None:
    """Every link to a file of the repository names one that is there."""
    page = ROOT / name
    missing = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]

    assert missing == []


def test_the_readme_is_honest_about_the_name_and_the_packages() -> None:
    """Whoever installs by the name alone gets somebody else's program; three folder names are taken."""
    text = (ROOT / "README.md").read_text()

    assert "somebody else's" in text
    assert "shadows" in text
