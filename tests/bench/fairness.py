"""Who gets what of a busy engine: lanes by their weights, tenants within a lane in equal parts, and how long they wait.

All wait at once, in one process with eight threads over a handler that sleeps 5 ms. Shares are counted while everybody
has something waiting. Then the quiet publish one event every 10 ms beside the others' backlog.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from typing import TYPE_CHECKING, Final

from tests.bench.engines import shares
from tests.bench.engines.run import Bench, kafka_only
from tests.bench.engines.shares import HOT, QUIET, WEIGHTS
from tests.bench.peers.live import percentile
from tests.bench.peers.plan import Aim
from tests.bench.peers.report import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.bench.engines.shares import Start

OFF: Final = 20.0
"""Per cent by which a share may differ from what is due."""
WAIT_MS: Final = 4 * shares.HANDLER_MS
"""One handler's time until a thread is free, and three for the threads' and the polls' own ways."""
BESIDE: Final = "quiet beside a hot one"
ALONE: Final = "quiet alone"
INTERACTIVE: Final = "interactive beside bulk and replay"


def lanes(table: Table, starts: Sequence[Start], number: int) -> None:
    """Add what each lane got."""
    total = sum(WEIGHTS.values())
    got = shares.shares(starts, lambda each: each.topic)
    gaps = shares.longest_gap_ms(starts, lambda each: each.topic)
    for lane, weight in WEIGHTS.items():
        table.add(lane, _row(weight / total, got[lane], gaps[lane]), number)


def tenants(table: Table, starts: Sequence[Start], number: int) -> None:
    """Add what each tenant got."""
    got = shares.shares(starts, lambda each: each.tenant)
    gaps = shares.longest_gap_ms(starts, lambda each: each.tenant)
    for tenant in (HOT, *QUIET):
        table.add(tenant, _row(1 / (1 + len(QUIET)), got[tenant], gaps[tenant]), number)


def waiting(table: Table, row: str, starts: Sequence[Start], number: int) -> None:
    """Add how long these waited."""
    waits = [each.waited_ms for each in starts]
    table.add(row, {"p50_ms": percentile(waits, 0.5), "p99_ms": percentile(waits, 0.99)}, number)


def worst(by: Mapping[str, Mapping[str, float]]) -> float:
    """Return by how many per cent the worst share is off."""
    return max(abs(own["off_per_cent"]) for own in by.values())


def _row(due: float, got: float, gap_ms: float) -> dict[str, float]:
    return {"due": due, "share": got, "off_per_cent": 100 * (got / due - 1), "longest_gap_ms": gap_ms}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(prog="just bench fairness", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backlog", type=int, default=8_000, help="of each lane, and of the hot tenant")
    parser.add_argument("--quick", action="store_true", help="one round, a quarter of the backlog")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.backlog = 1, options.backlog // 4
    off = partial(Aim, "the worst share is off by, per cent", OFF, worst, at_least=False)
    by_lane, by_tenant = Table("lanes", [off()]), Table("tenants", [off()])
    waits = Table(
        "waiting",
        [Aim(f"p50 of {row}, ms", WAIT_MS, partial(_p50, row), at_least=False) for row in (BESIDE, INTERACTIVE)],
    )
    with kafka_only() as bootstrap:
        bench = Bench(bootstrap)
        shares.tenant_starts(bench, options.backlog // 4)  # the broker's warm-up
        for number in range(options.rounds):
            lanes(by_lane, shares.lane_starts(bench, options.backlog), number)
            tenants(by_tenant, shares.tenant_starts(bench, options.backlog), number)
            _wait(waits, bench, options.backlog, number)
    for table in (by_lane, by_tenant, waits):
        table.show()
    result = {"lanes": by_lane.as_json(), "tenants": by_tenant.as_json(), "waiting": waits.as_json()}
    print(json.dumps({"bench": "fairness", "rounds": options.rounds, **result}), flush=True)


def _wait(table: Table, bench: Bench, backlog: int, number: int) -> None:
    live = backlog // 20
    beside = shares.live_starts(bench, live, hot=backlog)
    waiting(table, BESIDE, [each for each in beside if each.tenant != HOT], number)
    waiting(table, "the hot one meanwhile", [each for each in beside if each.tenant == HOT], number)
    alone = shares.live_starts(bench, live, hot=0)
    waiting(table, ALONE, [each for each in alone if each.tenant != HOT], number)
    mixed = shares.interactive_starts(bench, live, backlog=backlog)
    waiting(table, INTERACTIVE, [each for each in mixed if each.topic == "interactive"], number)
    waiting(table, "bulk and replay meanwhile", [each for each in mixed if each.topic != "interactive"], number)


def _p50(row: str, by: Mapping[str, Mapping[str, float]]) -> float:
    return by[row]["p50_ms"]


if __name__ == "__main__":
    main()
