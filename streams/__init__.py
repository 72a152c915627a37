"""All I/O and all concurrency. What a user imports is found here by name, and loaded when it is first used.

Importing ``streams`` costs nothing and needs no extra: the first use of a name imports ``streams.api`` or the module
that has it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from schemas.events import Attributes, FocusPoint
    from streams.api import Publisher, Subscriber, Waiter, get_image, list_parked, put_back
    from streams.client.messages import Message
    from streams.client.patience import Patience
    from streams.client.uploads import ObjectRef, Upload
    from streams.settings import Settings

__all__ = [
    "Attributes",
    "FocusPoint",
    "Message",
    "ObjectRef",
    "Patience",
    "Publisher",
    "Settings",
    "Subscriber",
    "Upload",
    "Waiter",
    "get_image",
    "list_parked",
    "put_back",
]

_ELSEWHERE = {
    "Attributes": "schemas.events",
    "FocusPoint": "schemas.events",
    "Message": "streams.client.messages",
    "ObjectRef": "streams.client.uploads",
    "Patience": "streams.client.patience",
    "Settings": "streams.settings",
    "Upload": "streams.client.uploads",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562: one function for every name
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ELSEWHERE.get(name, "streams.api")), name)


def __dir__() -> list[str]:
    return __all__
