"""When a state is worth a line, and when Kafka counts as silent: step functions, by a clock of the test's own."""

from __future__ import annotations

import pytest

from streams.runtime.ports import BrokerError, Severity
from streams.runtime.pulse import IDLE_S, LAST_WAIT_S, PATIENCE_S, Pulse
from streams.runtime.states import MEANINGS, Facts, State, find_state
from streams.runtime.watch import REMIND_S, Line, Watch

TIMED_OUT = BrokerError(Severity.RETRIABLE, "_TIMED_OUT")
ALL = {"assigned": 4, "awaiting_position": 0}


def run(  # noqa: PLR0913 - what a step takes
    watch: Watch, state: State, begin: float, end: float, *, answered: int = 0, busy: int = 0
) -> list[Line]:
    """Stay in a state for a while, looking every tenth of a second, and return what is said."""
    steps = range(round((end - begin) * 10) + 1)
    return [
        line for n in steps for line in watch.step(state, "why", begin + n / 10, answered=answered, busy=busy)
    ]  # fmt: skip


def test_a_change_is_said_once_with_how_long_the_former_lasted() -> None:
    """An hour of store outage begins with a line, ends with one, and has one a minute in between."""
    watch = Watch(0.0)
    assert [line.fields["state"] for line in run(watch, State.WORKING, 0, 10)] == ["working"]

    during = run(watch, State.STORE, 10, 3610, busy=7)
    after = run(watch, State.WORKING, 3610.1, 3700)

    assert [line.event for line in during] == ["state_changed"] + ["nothing_moves"] * 60
    assert during[0].level == "warning"
    assert during[0].fields["do"] == MEANINGS[State.STORE].do
    assert during[-1].fields["waiting"] == 7
    assert during[-1].fields["lasted_s"] == pytest.approx(3600, abs=1)
    assert [(line.event, line.level) for line in after] == [("state_changed", "info")]
    assert after[0].fields["lasted_s"] == pytest.approx(3600, abs=1)
    assert watch.seconds[State.STORE] == pytest.approx(3600, abs=1)


def test_what_passes_by_itself_is_not_said() -> None:
    """Full for a moment, a rebalance of a second: no line, but the seconds are counted."""
    watch = Watch(0.0)
    run(watch, State.WORKING, 0, 1)
    said = []
    for burst in range(20):
        said += run(watch, State.BUDGET, 10 * burst + 1, 10 * burst + 4)
        said += run(watch, State.ASSIGNMENT, 10 * burst + 4, 10 * burst + 6)
        said += run(watch, State.WORKING, 10 * burst + 6, 10 * burst + 11)

    assert said == []
    assert watch.seconds[State.BUDGET] == pytest.approx(60, abs=1)


def test_a_busy_worker_that_answers_is_silent_and_one_that_does_not_says_so() -> None:
    """Reminders come only while nothing is committed though something is held."""
    watch = Watch(0.0)
    run(watch, State.WORKING, 0, 1)
    moving = [run(watch, State.WORKING, n, n + 1, answered=n, busy=5) for n in range(1, 300)]
    idle = run(watch, State.WORKING, 300, 600, answered=299)
    stuck = run(watch, State.WORKING, 600, 600 + 3 * REMIND_S, answered=299, busy=5)

    assert not any(moving)
    assert idle == []
    assert [line.fields["nothing_committed_s"] for line in stuck] == pytest.approx([60, 120, 180], abs=1)


def test_kafka_is_asked_when_silent_and_answers_count() -> None:
    """Soon while somebody waits, seldom while idle; one answer ends it, and so does an error that a broker sent."""
    pulse = Pulse(0.0)
    assert not pulse.ask(PATIENCE_S / 2, waiting=True)
    assert not pulse.ask(IDLE_S - 1, waiting=False)
    assert pulse.ask(PATIENCE_S, waiting=True)
    assert not pulse.ask(100, waiting=True), "one question at a time"

    pulse.told(TIMED_OUT, 100)
    assert "_TIMED_OUT" in pulse.silent
    pulse.told(BrokerError(Severity.RETRIABLE, "UNKNOWN_TOPIC_OR_PART"), 101)
    assert pulse.silent == ""


def test_a_silent_kafka_is_asked_ever_less_often() -> None:
    """An hour's outage costs hundreds of questions, not thousands."""
    pulse, asked, now = Pulse(0.0), 0, 0.0
    while now < 3600:
        now += 0.1
        if pulse.ask(now, waiting=True):
            asked += 1
            now += 3
            pulse.told(TIMED_OUT, now)

    assert 3600 / (LAST_WAIT_S + 3.5) < asked < 3600 / (LAST_WAIT_S + 3) + 10


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (Facts(("fenced", "x"), kafka="silent"), State.FENCED),
        (Facts(("draining", ""), kafka="silent"), State.DRAINING),
        (Facts(("store", "refused"), kafka="silent", counts=ALL), State.KAFKA),
        (Facts(("store", "refused"), commit="late", counts=ALL), State.STORE),
        (Facts(("inspector", "no process"), counts=ALL), State.RENDERER),
        (Facts(("budget", ""), commit="late", counts=ALL), State.COMMIT),
        (Facts(("budget", ""), stopped={"in[0]": "why"}, counts=ALL), State.OPERATOR),
        (Facts(("budget", ""), counts=ALL), State.BUDGET),
        (Facts(counts={"assigned": 0, "awaiting_position": 4}), State.POSITIONS),
        (Facts(counts={"assigned": 4, "awaiting_position": 4}), State.WORKING),
        (Facts(counts={"assigned": 4, "awaiting_position": 4}, late_positions=True), State.POSITIONS),
        (Facts(counts={"assigned": 0}), State.ASSIGNMENT),
        (Facts(counts=ALL), State.WORKING),
    ],
)
def test_the_state_that_explains_most_wins(facts: Facts, state: State) -> None:
    """An open breaker explains a full worker, a silent Kafka explains a late commit."""
    assert find_state(facts)[0] is state


def test_every_state_has_a_meaning() -> None:
    """And trouble always comes with what to do about it."""
    assert set(MEANINGS) == set(State)
    assert all(meaning.do for meaning in MEANINGS.values() if meaning.trouble)
