"""Decide how an image's variants come about, before any pixel is touched: a pure, printable value."""

from __future__ import annotations
