"""What ``from streams import …`` gives: publishers and subscribers that find their configuration by themselves.

They look where the command line looks: the file given as ``config``, ``$DARKROOM_CONFIG``, ``.darkroom/local.toml``
here or in a folder above, ``darkroom.toml`` here, with the environment over all of it. This module is above the
composition root, like the command line; whoever has ready parts uses ``streams.client`` itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from streams.client import images, parked, publisher, subscriber, waiter
from streams.client.patience import Patience
from streams.compose.client import make_parts
from streams.settings import load

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from streams.client.feed import Start
    from streams.client.parking import Parked
    from streams.client.parts import Parts
    from streams.client.process import HomeProcess
    from streams.client.subscriber import Kind
    from streams.settings import Settings

_PATIENCE: Final = Patience()
_READY_ONLY: Final[tuple[Kind, ...]] = ("ready",)


class Publisher(publisher.Publisher):
    """Publishes and deletes images; see `streams.client.publisher.Publisher`.

    >>> with Publisher() as images:                                                             # doctest: +SKIP
    ...     images.publish_file("cat.jpg", tenant="acme", image_id="cat-1")
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        config: str | Path | None = None,
        parallel: int = 8,
        delivery_s: float = publisher.DELIVERY_S,
    ) -> None:
        """Take settings, or the path of a configuration file, or find one. Raise `SettingsError` with every problem."""
        self._made = _parts(settings, config)
        super().__init__(self._made, parallel=parallel, delivery_s=delivery_s)

    def close(self) -> None:
        """Close it, and the connections made for it; see `streams.client.publisher.Publisher.close`."""
        try:
            super().close()
        finally:
            _release(self._home, self._made)


class Subscriber(subscriber.Subscriber):
    """Reads ready, failed and deleted events as a group; see `streams.client.subscriber.Subscriber`.

    >>> with Subscriber(group="shop", start="earliest") as ready:                               # doctest: +SKIP
    ...     for message in ready:
    ...         print(message.event)
    """

    def __init__(  # noqa: PLR0913 - one keyword for each thing that a subscription says
        self,
        settings: Settings | None = None,
        *,
        group: str,
        start: Start,
        topics: Collection[Kind] = _READY_ONLY,
        tenants: str | Collection[str] | None = None,
        replays: str | Collection[str] = "all",
        on_error: Literal["park", "raise"] = "park",
        patience: Patience = _PATIENCE,
        session_s: float = 10.0,
        revoke_s: float = 5.0,
        config: str | Path | None = None,
    ) -> None:
        """Take settings or find them, as `Publisher` does, and join the group."""
        self._made = _parts(settings, config)
        super().__init__(
            self._made,
            group=group,
            start=start,
            topics=topics,
            tenants=tenants,
            replays=replays,
            on_error=on_error,
            patience=patience,
            session_s=session_s,
            revoke_s=revoke_s,
        )

    def close(self) -> None:
        """Close it, and the connections made for it; see `streams.client.subscriber.Subscriber.close`."""
        try:
            super().close()
        finally:
            _release(self._home, self._made)


class Waiter(waiter.Waiter):
    """Hears the answers to what is published after it was made; see `streams.client.waiter.Waiter`."""

    def __init__(self, settings: Settings | None = None, *, config: str | Path | None = None) -> None:
        """Take settings or find them, as `Publisher` does."""
        self._made = _parts(settings, config)
        super().__init__(self._made)

    def close(self) -> None:
        """Close it, and the connections made for it."""
        try:
            super().close()
        finally:
            _release(self._home, self._made)


def get_image(
    tenant: str,
    image_id: str,
    *,
    expires_s: int | None = 3600,
    settings: Settings | None = None,
    config: str | Path | None = None,
) -> images.StoredImage | None:
    """Look an image up in the store; see `streams.client.images.get_image`."""
    return images.get_image(_parts(settings, config), tenant, image_id, expires_s=expires_s)


def list_parked(group: str, *, settings: Settings | None = None, config: str | Path | None = None) -> list[Parked]:
    """Return what the group's subscribers parked; see `streams.client.parked.list_parked`."""
    return parked.list_parked(_parts(settings, config), group)


def put_back(
    group: str, events: Iterable[Parked], *, settings: Settings | None = None, config: str | Path | None = None
) -> int:
    """Have parked events delivered to the group again; see `streams.client.parked.put_back`."""
    return parked.put_back(_parts(settings, config), group, events)


def _release(home: HomeProcess, parts: Parts) -> None:
    """Close what was made for one client; in a forked child it is the parent's."""
    if home.is_here():
        parts.release()


def _parts(settings: Settings | None, config: str | Path | None) -> Parts:
    if settings is not None and config is not None:
        raise ValueError("give settings or config, not both")
    return make_parts(settings or load(Path(config) if config is not None else None).settings)
