"""Make `.venv` and bring it to a lock file, hash-checked; do nothing when it is there already.

Runs on a bare Python (standard library only, and written so that a Python too old to run darkroom can still say so).
It never removes packages, and leaves `just` alone, which the README puts into the same environment.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
LOCKS = {"run": ROOT / "requirements.lock", "dev": ROOT / "requirements-dev.lock"}
COVERS = {"run": ("run",), "dev": ("dev", "run")}
"""The development lock is resolved first and the other one constrained by it, so it contains the other."""
OLDEST = (3, 11)
FROM_SOURCE = "pyvips"
"""The one package without wheels; what builds it comes first, hash-checked as well."""
BUILD_TOOLS = {"setuptools", "cffi", "pycparser", "pkgconfig"}


def main() -> int:
    """Sync the set named on the command line (`run` or `dev`) and return the exit code."""
    if sys.version_info < OLDEST:
        have = ".".join(str(part) for part in sys.version_info[:3])
        remedy = "Remove .venv and make it" if VENV in Path(sys.executable).parents else "Call this"
        return _fail(f"darkroom needs Python 3.11 or newer; {sys.executable} is {have}. {remedy} with a newer python3.")
    chosen = sys.argv[1]
    VENV.mkdir(exist_ok=True)
    with (VENV / ".sync-lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # two recipes at once must not both install
        return _sync(chosen)


def _sync(chosen: str) -> int:
    stamp = VENV / ".synced.json"
    done = json.loads(stamp.read_text()) if stamp.exists() else {}
    if done.get(chosen) == _digest(chosen) and (VENV / "bin" / "python").exists():
        return 0
    began = time.monotonic()
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--no-input"]
    if not (VENV / "bin" / "pip").exists():
        print("making .venv", file=sys.stderr, flush=True)
        if subprocess.call([sys.executable, "-m", "venv", str(VENV)]) != 0:
            return _fail("python3 -m venv failed; on Debian and Ubuntu install python3-venv first.")
    lock = LOCKS[chosen]
    blocks = re.findall(r"^\S+==.*(?:\n +.*)*", lock.read_text(), flags=re.MULTILINE)
    tools = VENV / "build-tools.lock"
    tools.write_text("\n".join(block for block in blocks if block.split("==")[0] in BUILD_TOOLS) + "\n")
    total = len(blocks)
    print(f"installing up to {total} packages from {lock.name} into .venv", file=sys.stderr, flush=True)
    hashed = [*pip, "--require-hashes", "--no-build-isolation", "--only-binary", ":all:", "--no-binary", FROM_SOURCE]
    code = _run_pip([*hashed, "-r", str(tools)], 0)
    if code == 0:
        code = _run_pip([*hashed, "-r", str(lock)], total)
    if code == 0:
        code = _run_pip([*pip, "--no-deps", "--no-build-isolation", "-e", str(ROOT)], 0)
    if code == 0:
        stamp.write_text(json.dumps(done | {name: _digest(name) for name in COVERS[chosen]}))
        print(f"installed in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return code


def _digest(name: str) -> str:
    return hashlib.sha256(LOCKS[name].read_bytes() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()


def _run_pip(command: list[str], total: int) -> int:
    """Run pip, showing one moving line on a terminal and its whole output only if it fails."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PKG_CONFIG"] = "none"  # pyvips would build itself against a libvips of the system, not against ours
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd=ROOT
    )
    assert process.stdout is not None  # noqa: S101 - said for the type checker
    seen, lines = 0, []
    for line in process.stdout:
        lines.append(line)
        if total and line.startswith(("Collecting ", "Requirement already satisfied")):
            seen += 1
            if sys.stderr.isatty():
                print(f"\r\033[K  [{seen}/{total}] {line.split()[-1][:60]}", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty() and total:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    code = process.wait()
    if code != 0:
        sys.stderr.writelines(lines)
    return code


def _fail(message: str) -> int:
    print(message, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
