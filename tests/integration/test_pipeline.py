"""The whole pipeline on real servers: 500 mixed events, three workers, one killed, one rebalance on the way."""

from __future__ import annotations

import hashlib
import json
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from schemas.events import ImageFailed, ImageReady, ImageRemoved
from streams.compose.stores import make_store
from streams.settings import load
from tests.command import make_place
from tests.integration.fleet import causes, hashes, mixed_uploads, out_of_order, publish, read_outputs, worker
from tests.support import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.worker import RunningWorker
    from tests.command import Darkroom
    from tests.support import Stack

UPLOADS, DELETES, GARBAGE = 470, 20, 10
SEED = 20
DONE_S = 75.0
SESSION_S = "6"


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_nothing_is_lost_or_doubled_while_workers_die(
    stack: Stack, tmp_path: Path, unique: Callable[[str], str]
) -> None:
    """Every input has exactly one committed answer, each key's in order, and the objects are those of a calm run."""
    uploads = mixed_uploads(UPLOADS, SEED)
    rough = _place(stack, tmp_path / "rough", unique("rough"))
    landed = publish(rough, uploads[: UPLOADS // 2], deletes=DELETES // 2, garbage=GARBAGE)
    with ExitStack() as fleet:
        workers = [fleet.enter_context(worker(rough, **how)) for how in ({}, {}, _as_in_production(stack))]
        wait_until(lambda: all(each.port for each in workers), 60, what="three workers")
        wait_until(lambda: _answered(workers) > 40, DONE_S, what="the first answers")
        workers[0].process.send_signal(signal.SIGKILL)
        landed += publish(rough, uploads[UPLOADS // 2 :], deletes=DELETES // 2, garbage=0)
        workers[1].process.send_signal(signal.SIGTERM)  # leaves in an orderly way: a rebalance under load
        assert workers[1].process.wait(30) == 0
        wait_until(lambda: len(read_outputs(rough)) >= len(landed), DONE_S, what="all answers", pause=1)
        assert workers[2].end() == 0
    found = read_outputs(rough)

    prefix = load(rough.config).settings.kafka.topic_prefix
    assert causes(found, prefix) == dict.fromkeys(landed, 1)
    assert out_of_order(found) == []
    kinds = {
        kind: sum(isinstance(each.event, kind) for each in found) for kind in (ImageReady, ImageFailed, ImageRemoved)
    }
    assert kinds[ImageReady] > UPLOADS // 2
    assert kinds[ImageFailed] > GARBAGE
    assert kinds[ImageRemoved] == DELETES
    _assert_objects_are_what_they_say(rough)
    assert hashes(found) == _calm_run(stack, tmp_path, unique("calm"), set(hashes(found)))


def _as_in_production(stack: Stack) -> dict[str, str]:
    """Return the settings of a worker that comes by SASL_SSL; the one that outlives the others does."""
    if not stack.sasl_bootstrap:
        return {}
    return {
        "DARKROOM_KAFKA__BOOTSTRAP_SERVERS": stack.sasl_bootstrap,
        "DARKROOM_KAFKA__CLIENT": json.dumps(stack.sasl_client),
    }


def _calm_run(stack: Stack, tmp_path: Path, name: str, wanted: set[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """Publish the same to one worker that nobody disturbs, and return the hashes of the objects that are wanted."""
    calm = _place(stack, tmp_path / "calm", name)
    landed = publish(calm, mixed_uploads(UPLOADS, SEED), deletes=0, garbage=0)
    with worker(calm) as alone:
        wait_until(lambda: alone.port, 60, what="the worker")
        wait_until(lambda: _answered([alone]) >= len(landed), DONE_S, what="all answers", pause=0.5)
        assert alone.end() == 0
    return {what: sha256 for what, sha256 in hashes(read_outputs(calm)).items() if what in wanted}


def _place(stack: Stack, folder: Path, name: str) -> Darkroom:
    folder.mkdir()
    return make_place(stack, folder, name, DARKROOM_KAFKA__SESSION_TIMEOUT_S=SESSION_S)


def _answered(workers: list[RunningWorker]) -> int:
    names = ("image_ready", "image_failed", "image_deleted")
    return sum(len(each.events(name)) for each in workers for name in names)


def _assert_objects_are_what_they_say(place: Darkroom) -> None:
    """The hash of every stored variant stands in its key."""
    settings = load(place.config).settings
    store = make_store(settings)
    keys = [key for key in store.list(settings.store.bucket, "tenant-") if key.endswith(".webp")]
    assert keys
    for key in keys:
        blob = store.fetch(settings.store.bucket, key, limit=1 << 24)
        assert blob is not None
        assert hashlib.sha256(blob.data).hexdigest()[:12] == key.rpartition(".")[0].rpartition(".")[2]
