"""`just down`: stop what `just up` started and nothing else; `--wipe` removes its data and configuration too."""

from __future__ import annotations

import argparse
import shutil
import sys

from infra.local import state
from infra.local.paths import LOCAL_TOML, UP
from infra.local.processes import stop


def main() -> int:
    """Stop the servers, wait until they are gone, and say what became of the data."""
    parser = argparse.ArgumentParser(prog="just down", description="Stop what `just up` started.")
    parser.add_argument("--wipe", action="store_true", help="remove the data and .darkroom/local.toml as well")
    wipe = parser.parse_args().wipe
    running = state.recorded()
    stop(running, at_once=wipe)
    state.record([])
    print(f"stopped {', '.join(each.name for each in running)}" if running else "nothing was running")
    if wipe:
        shutil.rmtree(UP, ignore_errors=True)
        LOCAL_TOML.unlink(missing_ok=True)
        print("data removed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
