"""A subscriber in a process of its own that hangs in its third event, to be killed there by a test."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from tests.client.world import World
from tests.support import Stack

if TYPE_CHECKING:
    from streams.client.messages import Message


def main(stack: str, name: str, group: str, flag: str) -> None:
    """Handle events, and raise the flag and hang at the one whose hlc is 3."""

    def handle(message: Message) -> None:
        if message.event.hlc == 3:
            Path(flag).touch()
            threading.Event().wait()

    World.at(Stack(**json.loads(stack)), name).member(f"{group}-1").subscriber(group).run(handle)


if __name__ == "__main__":
    main(*sys.argv[1:])
