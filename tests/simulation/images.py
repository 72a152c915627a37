"""Work on images: the real record and image handlers on simulated stores, each request at a time of its own.

A handler runs on a fiber, so that requests of workers, zombies, retries, replays and deleters interleave as the seed
wants it. A request that was sent reaches the store whatever becomes of its sender, and sometimes late.
"""

from __future__ import annotations

from collections import defaultdict
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid5

from processors.handler import ImageHandler
from processors.policy import AllowedSource, SourcePolicy
from processors.records import RecordHandler
from schemas.codec import Codec
from schemas.errors import DarkroomError, Transient, Unavailable
from schemas.events import ImageDeleted, ImageUploaded, Source
from schemas.headers import Replay, replay_headers
from schemas.ids import record_key, source_key
from schemas.record import Outgoing
from streams.adapters.simulated_store import SimulatedObjects, SimulatedStore
from tests.handler.world import BUCKET, RECIPES, UPLOADS
from tests.schemas.builders import TOPICS, registered_source
from tests.simulation.fibers import Fiber
from tests.simulation.image_promises import ImagePromises
from tests.simulation.renderer import RENDER, SimulatedRenderer

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.record import Record
    from streams.runtime.task import Task
    from tests.simulation.promises import Place, Violation
    from tests.simulation.store_troubles import StoreTroubles
    from tests.simulation.worker import Answer, SimulatedWorker
    from tests.simulation.world import World

IDS: Final = UUID("1d7e6f0a-5b0e-4a53-8f0f-0a4f4b0d9c11")
SKEW_S: Final = 2.0
"""How far publishers' clocks are apart: news may stand in a topic, or on two lanes, in another order than their hlc."""
LATEST_S: Final = 10.0
"""The longest that a request is under way after its sender gave it up."""

Answered = tuple[Any, DarkroomError | None]
"""What the store says to a request: a result, or that it refuses."""


class ImageWork:
    """Uploads and deletes of a few images, on every lane."""

    lanes: Final = {"images.uploaded": 3, "images.uploaded.bulk": 2, "images.replay": 2}
    outputs: Final = {"images.ready": 2, "images.failed": 1, "images.deleted": 1}
    quiet_s: Final = LATEST_S + 2

    def __init__(self, world: World, store: StoreTroubles, trouble_s: float) -> None:
        self._world = world
        self._store = store
        self._trouble_s = trouble_s
        self._objects = SimulatedObjects()
        self._codec = Codec(registered_source(), TOPICS)
        self._promises = ImagePromises(world, self._objects)
        self._images = world.random.randint(1, 5)
        self._sources = world.random.randint(1, 3)
        self._deletes = world.random.choice((0.1, 0.3, 0.5))
        self._page = world.random.choice((1, 2, 1000))
        self._differ = world.chance(0.3)
        self._latency_s = world.random.choice((0.005, 0.03) if self._page < 1000 else (0.005, 0.03, 0.2))
        self._fibers: defaultdict[str, list[Fiber]] = defaultdict(list)
        self._answers: dict[Place, Any] = {}

    # --- input and answers -----------------------------------------------------------------------------------------

    def make(self, number: int, topic: str) -> Outgoing:
        """Return the next upload or delete."""
        world = self._world
        tenant, image = "acme", f"cat {world.random.randrange(self._images)}"
        at_ms = (world.cluster.now + world.random.uniform(-SKEW_S, SKEW_S)) * 1000
        hlc = (round(at_ms) << 16) + number
        event_id, at = uuid5(IDS, f"{number}"), world.utc()
        event: ImageUploaded | ImageDeleted
        if world.chance(self._deletes):
            event = ImageDeleted(event_id, tenant, image, at, hlc, "asked for")
        else:
            event = ImageUploaded(event_id, tenant, image, self._source(tenant, image), "web", at, hlc)
        self._promises.accepted(event)
        return Outgoing(topic, record_key(tenant, image), self._codec.encode(topic, event))

    def _source(self, tenant: str, image: str) -> Source:
        data = b"broken" if self._world.chance(0.03) else b"photo %d" % self._world.random.randrange(self._sources)
        digest = sha256(data).hexdigest()
        key = source_key(tenant, image, digest, "jpg")
        self._objects.put(UPLOADS, key, data)
        return Source(UPLOADS, key, len(data), sha256=digest if self._world.chance(0.7) else None)

    def copy(self, record: Record, topic: str) -> Outgoing:
        """Return what a replay writes for a record."""
        replay = Replay("again", record.topic, record.partition, record.offset)
        return Outgoing(topic, record.key, record.value, record.headers + replay_headers(replay))

    def cause(self, record: Record) -> Place:
        """Return which input an answer answers."""
        event: Any = self._codec.decode(record.topic, record.value)
        self._answers[record.topic, record.partition, record.offset] = event
        return event.cause.topic, event.cause.partition, event.cause.offset

    def observed(self, record: Record) -> list[Violation]:
        """Judge an answer when it becomes visible."""
        began = float(dict(record.headers)["began"])
        return self._promises.observed(self._answers[record.topic, record.partition, record.offset], began)

    def at_rest(self) -> list[Violation]:
        """Judge what the store holds in the end."""
        return self._promises.at_rest()

    # --- the handler -----------------------------------------------------------------------------------------------

    def run(self, worker: SimulatedWorker, task: Task, done: Callable[[Answer], None]) -> None:
        """Run the handler on a fiber."""
        began = self._world.now

        def work(fiber: Fiber) -> list[Outgoing]:
            handler = self._handler(worker, fiber)
            if task.failure is None:
                return handler(task.record)
            return handler.give_up(task.record, task.failure.reason, task.failure.detail, max(1, task.attempts))

        def ended(outputs: list[Outgoing], error: Exception | None) -> None:
            mine.remove(fiber)
            header = ("began", f"{began:.6f}".encode())
            done(error or [output._replace(headers=(*output.headers, header)) for output in outputs])

        fiber = Fiber(work, lambda asked: self._carry(worker, fiber, *asked), ended)
        mine = self._fibers[worker.name]
        mine.append(fiber)
        worker.later(0.0001, fiber.resume)

    def died(self, worker: SimulatedWorker) -> None:
        """Unwind what a worker that is gone was doing."""
        for fiber in self._fibers.pop(worker.name, ()):
            fiber.end()

    def _handler(self, worker: SimulatedWorker, fiber: Fiber) -> RecordHandler:
        store = SimulatedStore(self._objects, lambda name, request: fiber.ask((name, request)), page=self._page)
        renderer = SimulatedRenderer(fiber, worker.name if self._differ else "")
        policy = SourcePolicy((AllowedSource(UPLOADS),))
        images = ImageHandler(store, renderer, RECIPES, policy, worker.clock, bucket=BUCKET, max_source_bytes=1_000_000)
        return RecordHandler(
            self._codec,
            images,
            TOPICS,
            worker.clock,
            store=store,
            bucket=BUCKET,
            topic_id=self._world.cluster.topic_id,
        )

    # --- requests --------------------------------------------------------------------------------------------------

    def _carry(self, worker: SimulatedWorker, fiber: Fiber, name: str, request: Callable[[], Any]) -> None:
        """Let a request reach the store and its answer the worker, or not, each at its time."""
        world = self._world
        if name == RENDER:
            worker.later(world.random.expovariate(5), fiber.resume)
            return
        slow = 30.0 if self._store.slow.covers(world.now) else 1.0
        there, back = (world.random.expovariate(1 / (self._latency_s * slow)) for _ in range(2))
        error, reaches, late = self._fate(there)
        answer: list[Answered] = []

        def arrive() -> None:
            world.note("store", f"{name} of {worker.name}")
            try:
                answer.append((request(), None))
            except DarkroomError as refused:
                answer.append((None, refused))

        if reaches:
            world.at(late, arrive)
        worker.later(there + back, lambda: self._answer(fiber, error, answer))

    def _answer(
        self, fiber: Fiber, error: DarkroomError | None, answer: list[tuple[Any, DarkroomError | None]]
    ) -> None:
        if fiber.over:
            return
        if error is not None:
            fiber.resume(error=error)
        else:
            fiber.resume(*answer[0])

    def _fate(self, there: float) -> tuple[DarkroomError | None, bool, float]:
        """Return what the client is told instead of the answer, whether the request arrives, and after how long."""
        world = self._world
        if self._store.down.covers(world.now):
            return Unavailable("store", "down"), False, 0.0
        unsure = 0.3 if self._store.failing.covers(world.now) else 0.02
        if world.now > self._trouble_s or not world.chance(unsure):
            return None, True, there
        world.faults += 1
        error = Unavailable("store", "no answer") if world.chance(0.3) else Transient("no answer")
        arrives = world.random.choice((None, there, world.random.uniform(0, LATEST_S)))
        return error, arrives is not None, arrives or 0.0
