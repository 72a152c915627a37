"""`just bench NAME`: run tests/bench/NAME.py; without a name, list what there is."""

from __future__ import annotations

import ast
import runpy
import sys

from infra.local.paths import ROOT

BENCHES = ROOT / "tests" / "bench"
NOT_BENCHES = {"__init__", "bare", "harness"}


def names() -> list[str]:
    """Return the benches by name."""
    files = (path.stem for path in BENCHES.glob("*.py") if not path.stem.startswith("test_"))
    return sorted(set(files) - NOT_BENCHES)


def main(arguments: list[str]) -> int:
    """Run the bench with the arguments that follow its name."""
    if not arguments or arguments[0] not in names():
        print("just bench NAME, one of:")
        for name in names():
            said = ast.get_docstring(ast.parse((BENCHES / f"{name}.py").read_text())) or ""
            print(f"  {name:12} {said.splitlines()[0] if said else ''}")
        return 2 if arguments else 0
    sys.argv = [f"just bench {arguments[0]}", *arguments[1:]]
    runpy.run_module(f"tests.bench.{arguments[0]}", run_name="__main__", alter_sys=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
