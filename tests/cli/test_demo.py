"""The demo, as the first thing that anybody types."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.cli.pictures import photo, renamed_text
from tests.command import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def demo(folder: Path, *files: str) -> subprocess.CompletedProcess[str]:
    """Run the demo in an empty folder; a configuration in the environment must not disturb it."""
    return subprocess.run(
        [sys.executable, "-m", "streams.cli.main", "demo", *files],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "DARKROOM_STORE__KIND": "s3"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_four_photographs_become_variants_and_a_page(tmp_path: Path) -> None:
    """Four images of twelve megapixels, 16 variants, one page that has them all and asks nobody for anything."""
    done = demo(tmp_path)

    assert done.returncode == 0, done.stderr
    assert "4 of 4 images ready" in done.stdout
    assert "no exactly-once" in done.stderr
    files = re.findall(r"\S+\.webp", done.stdout)
    assert len(files) == 16
    assert all((tmp_path / file).is_file() for file in files)
    page = (tmp_path / ".darkroom" / "demo" / "contact-sheet.html").read_text()
    assert page.count("<img ") == 16
    assert not re.search(r"""(src|href)="(?!data:)""", page)
    assert "prefers-color-scheme: dark" in page


def test_a_file_that_fails_is_named_and_counts(tmp_path: Path) -> None:
    """One's own files: the bad one with its reason, the good one beside it; exit code 1."""
    photo(tmp_path / "good.jpg")
    renamed_text(tmp_path / "bad.jpg")

    done = demo(tmp_path, "good.jpg", "bad.jpg")

    assert done.returncode == 1
    assert "1 of 2 images ready" in done.stdout
    assert "unsupported_format" in done.stdout
    assert "Traceback" not in done.stderr
