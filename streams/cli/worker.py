"""`darkroom worker`: one worker process, from its start-up checks to its orderly end.

The first SIGTERM or SIGINT lets what is in progress finish within ``worker.drain_s`` and leaves the group; the second
ends the process at once, which costs work but, as any crash, nothing else.
"""

from __future__ import annotations

import os
import signal
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import structlog
import typer

from processors.recipe_file import RecipeError
from streams.adapters.health import Answers, HealthError, serve_health
from streams.adapters.metrics import exposition
from streams.adapters.slots import NoSlotError
from streams.cli.failures import CommandError, Exit, named_services, usage
from streams.cli.shared import ConfigOption, settings_from
from streams.cli.watch_health import HealthWatch
from streams.compose.stores import reach_store
from streams.compose.worker import checks, slot, start_worker
from streams.runtime.pool import PoolStartError
from streams.runtime.ports import BrokerError
from streams.runtime.shell import FencedError

if TYPE_CHECKING:
    from types import FrameType

    from streams.runtime.shell import Engine
    from streams.settings import Settings

log = structlog.get_logger()
app = typer.Typer()


@app.command(epilog="Examples: darkroom worker · DARKROOM_WORKER__HTTP_PORT=8080 darkroom worker --config prod.toml")
def worker(config: ConfigOption = None) -> None:
    """Run one worker until it is told to stop.

    SIGTERM: finish what is in progress within worker.drain_s, leave the group, exit 0. A second signal: stop at once.
    GET /livez: the process works. GET /readyz: it can do its job now, or 503 with the reason. GET /metrics: Prometheus.
    """
    settings = settings_from(config)
    try:
        with ExitStack() as stack, named_services(settings):
            _run(settings, stack)
    except PoolStartError as error:
        raise CommandError(Exit.FAILED, str(error)) from error
    except (NoSlotError, HealthError, RecipeError) as error:
        raise usage(f"{error} (worker.slots_folder, worker.http_port, recipes.folder)") from error
    log.info("worker_stopped")


def _run(settings: Settings, stack: ExitStack) -> None:
    transactional_id = stack.enter_context(slot(settings, socket.gethostname()))
    probes = checks(settings)
    reach_store(settings)  # says within seconds what the thorough check would say later
    for check in probes.values():
        check()
    engine = stack.enter_context(start_worker(settings, transactional_id))
    watch = HealthWatch(probes, engine.status)
    stack.enter_context(watch.watching())
    answers = Answers(watch.live, watch.ready, exposition(engine.figures))
    port = stack.enter_context(serve_health(settings.worker.http_host, settings.worker.http_port, answers))
    _obey_signals(engine, settings.worker.drain_s)
    log.info("worker_started", transactional_id=transactional_id, group=settings.kafka.group, http_port=port)
    try:
        engine.run()
    except FencedError as error:
        raise CommandError(Exit.FENCED, f"fenced: {error}") from error
    except BrokerError as error:
        if error.code == "UNSUPPORTED_VERSION" and settings.kafka.group_protocol == "consumer":
            message = 'kafka.group_protocol = "consumer": these brokers do not offer it (KIP-848, Kafka 4.0 and later)'
            raise usage(f'{message}; set kafka.group_protocol = "classic"') from error
        raise


def _obey_signals(engine: Engine, drain_s: float) -> None:
    """Stop the engine on the first signal, the process on the second; for as long as the process lives."""
    asked: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        if asked:
            os._exit(Exit.INTERRUPTED)
        asked.append(number)
        engine.stop(drain_s)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
