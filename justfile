# Every recipe makes and updates .venv by itself; a warm run only compares hashes.
# `exec` leaves no shell between just and the program: it is just's own child, and notices when just is killed.
# Recipes that take arguments leave them to a Python argument parser: just itself knows no `--option value`.

set positional-arguments

python := ".venv/bin/python"

# List the recipes
_default:
    @"{{ just_executable() }}" --justfile "{{ justfile() }}" --list --unsorted

# Try it out, nothing to install: photographs in, variants and a contact sheet out
[no-exit-message]
demo *FILES: (_sync "run")
    @exec {{ python }} -m streams.cli.main demo "$@"

# Run the tests on a real stack of its own; arguments go to pytest
[no-exit-message]
test *ARGS: _tools (_sync "dev")
    @exec {{ python }} -m infra.local.test "$@"

# Start Kafka, MinIO and the registry on their usual ports (--brokers 3: a cluster of three)
[no-exit-message]
up *ARGS: _tools (_sync "run")
    @exec {{ python }} -m infra.local.up "$@"

# Stop what `up` started; the data stay (--wipe: remove them too)
[no-exit-message]
down *ARGS: (_sync "run")
    @exec {{ python }} -m infra.local.down "$@"

# Lint, format, types and layers
[no-exit-message]
check: (_sync "dev")
    @exec {{ python }} -m infra.local.check

# Run tests/bench/NAME.py (without a name: list them); its last line is one JSON object
[no-exit-message]
bench *ARGS: (_sync "dev")
    @exec {{ python }} -m infra.local.bench "$@"

# Run seeded schedules of a whole fleet in simulated time (--runs N, --seed S)
[no-exit-message]
simulate *ARGS: (_sync "dev")
    @{{ python }} -m tests.simulation "$@"

# Break the engine on purpose, one rule at a time, and see that something notices (--only WORD)
[no-exit-message]
mutants *ARGS: (_sync "dev")
    @{{ python }} -m tests.simulation.mutants "$@"

# Run the pipeline on real servers under a seeded timetable of faults (--events N, --minutes M, --seed S, --plan)
[no-exit-message]
chaos *ARGS: _tools (_sync "dev")
    @exec {{ python }} -m tests.chaos "$@"

# Send damaged image files through real render processes (--inputs N)
[no-exit-message]
fuzz *ARGS: (_sync "dev")
    @exec {{ python }} -m tests.fuzz "$@"

# Write the lock files from pyproject.toml (--upgrade: take newer versions)
[no-exit-message]
lock *ARGS: (_sync "dev")
    @exec {{ python }} -m infra.local.lock "$@"

[no-exit-message]
_sync SET:
    @if [ -x {{ python }} ]; then exec {{ python }} -m infra.local.sync {{ SET }}; else exec python3 -m infra.local.sync {{ SET }}; fi

[no-exit-message]
_tools:
    @if [ -x {{ python }} ]; then exec {{ python }} -m infra.local.tools; else exec python3 -m infra.local.tools; fi
