"""`just check`: lint, format, types and layers, all of them run even if one fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECKS = {
    "ruff check": ("ruff", "check", "."),
    "ruff format": ("ruff", "format", "--check", "."),
    "mypy": ("mypy",),
    "import-linter": ("lint-imports",),
}


def main() -> int:
    """Run every check and return 1 if one failed."""
    bin_folder = Path(sys.executable).parent
    failed = []
    for name, command in CHECKS.items():
        print(f"--- {name}", flush=True)
        if subprocess.call([str(bin_folder / command[0]), *command[1:]]) != 0:
            failed.append(name)
    print(f"failed: {', '.join(failed)}" if failed else "all checks hold", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
