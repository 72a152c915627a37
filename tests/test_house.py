"""The rules of the house that no other tool holds: what may stand in the repository, the locks, the layers."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
import zipfile
from functools import cache
from pathlib import Path

import pytest

from infra.local import lock
from infra.local.paths import ROOT

TOP_LEVEL = {
    ".ci",
    ".gitignore",
    "CHANGELOG.md",
    "README.md",
    "docs",
    "infra",
    "justfile",
    "processors",
    "pyproject.toml",
    "requirements-dev.lock",
    "requirements.lock",
    "schemas",
    "streams",
    "tests",
}
PACKAGES = {"streams", "schemas", "processors"}
# written in two halves, or this file would break its own rule
HOSTS = [
    ".".join(halves)
    for halves in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("repo.maven", "apache.org"),
        ("repo1.maven", "org"),
        ("proxy.golang", "org"),
        ("sum.golang", "org"),
        ("npmjs", "org"),
        ("crates", "io"),
        ("deb.debian", "org"),
    )
]
MACHINE_PATH = re.compile(r"(?<![\w.~}*-])/(?:root|work|home/\w+|Users/\w+)/")


@cache
def tracked() -> tuple[Path, ...]:
    """Return the files that git keeps, and those that it would take up."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return tuple(Path(name) for name in names if name and (ROOT / name).is_file())


def test_only_known_entries_stand_at_the_top() -> None:
    """A reader finds everything from the tree alone, so nothing strange stands beside it."""
    assert {path.parts[0] for path in tracked()} <= TOP_LEVEL


def test_no_file_names_a_registry_or_a_machine() -> None:
    """Packages come from wherever the user's own clients look, and no path is of one machine."""
    found = []
    for path in tracked():
        text = (ROOT / path).read_bytes().decode("utf-8", errors="replace")
        found += [f"{path}: {host}" for host in HOSTS if host in text]
        found += [f"{path}: {hit.group()}" for hit in MACHINE_PATH.finditer(text)]
    assert found == []


def test_no_lock_that_names_a_registry() -> None:
    """These two kinds of lock file write the registry's address down."""
    assert not {path.name for path in tracked()} & {"uv.lock", "pylock.toml"}


@pytest.mark.parametrize("file", [lock.RUN, lock.DEV], ids=lambda file: file.name)
def test_locks_follow_pyproject(file: Path) -> None:
    """Whoever changes a dependency runs `just lock`."""
    text = file.read_text()
    assert f"{lock.STAMP}{lock.declared()}\n" in text
    assert not re.search(r"^darkroom\b", text, re.MULTILINE), "that name on the registry is somebody else's"


def test_one_environment_serves_both_locks() -> None:
    """The run lock is contained in the development lock, version by version."""
    run, dev = (set(re.findall(r"^\S+==.*", file.read_text(), re.MULTILINE)) for file in (lock.RUN, lock.DEV))
    assert run <= dev


def test_layers_hold() -> None:
    """Imports go one way, and the outside is imported by adapters only."""
    answer = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout


def test_every_requirement_has_a_reason() -> None:
    """A dependency's line in pyproject.toml says why it is there."""
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    requirements = [line for line in lines if re.match(r'  "[a-z-]+(\[.*\])?[=>]=', line)]
    assert len(requirements) > 20
    assert [line for line in requirements if not re.search(r"  # \w+", line)] == []


def imported(package: str) -> set[str]:
    """Return the top-level names of everything that a package's modules import, wherever in them."""
    found = set()
    for path in tracked():
        if path.parts[0] == package and path.suffix == ".py":
            for node in ast.walk(ast.parse((ROOT / path).read_text())):
                if isinstance(node, ast.Import):
                    found |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                    found.add(node.module.split(".")[0])
    return found - sys.stdlib_module_names - PACKAGES - {"tests", "infra"}


def declared(*extras: str, group: str = "") -> set[str]:
    """Return the distributions that pyproject.toml names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lines = [line for extra in extras for line in project["project"]["optional-dependencies"][extra]]
    lines += [line for line in project["dependency-groups"].get(group, []) if isinstance(line, str)]
    return {re.split(r"[^a-z0-9-]", line)[0] for line in lines}


@pytest.mark.parametrize(
    ("package", "distributions"),
    [
        ("schemas", declared("client")),
        ("processors", declared("client", "worker")),
        ("streams", declared("client", "worker", "views")),
        ("tests", declared("client", "worker", "views", group="dev")),
        ("infra", declared("client", "worker", "views", group="dev")),
    ],
)
def test_what_is_imported_is_declared(package: str, distributions: set[str]) -> None:
    """A module that comes with another package by chance goes with it by chance."""
    owners = importlib.metadata.packages_distributions()
    part_of = {"pydantic_core": "pydantic"}  # one product, released as two packages
    used = {
        name: {part_of.get(owner, owner).lower().replace("_", "-") for owner in owners.get(name, [name])}
        for name in imported(package)
    }
    assert {name: owner for name, owner in used.items() if not owner & distributions} == {}


def test_publishing_needs_no_pixels_and_no_tables() -> None:
    """A service that only publishes or subscribes installs neither libvips nor Faust."""
    absent = ["pyvips", "numpy", "psutil", "faust", "aiokafka", "prometheus_client"]
    code = f"import sys; sys.modules.update(dict.fromkeys({absent})); from streams import Publisher, Subscriber"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr


def test_the_wheel_holds_what_runs_and_nothing_else(tmp_path: Path) -> None:
    """Whoever installs the distribution gets schemas, recipes and type marks; no tests and no local stack."""
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    source = tmp_path / "source"
    for path in tracked():
        if path.parts[0] not in {"tests", "docs"}:
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_bytes((ROOT / path).read_bytes())
    subprocess.run([*pip, "--wheel-dir", tmp_path, source], check=True, capture_output=True)
    names = set(zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist())
    data = {
        str(path) for path in tracked() if path.parts[0] in PACKAGES and path.suffix in {".avsc", ".toml", ".typed"}
    }
    assert data
    assert data <= names
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == PACKAGES
