"""The demo's contact sheet: one HTML page with every variant in it, light or dark as the reader's system is.

Self-contained: the pictures are data URLs, so the page can be mailed. It reads nothing itself.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

STYLE = """
:root { color-scheme: light dark; --paper: #f6f4ef; --card: #fff; --ink: #22201c; --soft: #77716a; --line: #e3ded4;
  --ready: #2f7d4f; --failed: #b3362c; }
@media (prefers-color-scheme: dark) { :root { --paper: #15161a; --card: #1e2026; --ink: #e9e6e0; --soft: #98938b;
  --line: #31343c; --ready: #6cc48f; --failed: #ee8379; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 3rem clamp(1rem, 5vw, 4rem); background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
header { max-width: 70ch; margin-bottom: 2.5rem; }
h1 { font-size: 2rem; letter-spacing: -.02em; margin: 0 0 .4rem; }
p { margin: .3rem 0; color: var(--soft); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 1.5rem;
  margin: 1.5rem 0; }
h2 { font-size: 1.15rem; margin: 0; display: flex; gap: .6rem; align-items: center; }
.dot { width: .9rem; height: .9rem; border-radius: 50%; border: 1px solid var(--line); }
.state { font-size: .8rem; font-weight: 600; } .ready { color: var(--ready); } .failed { color: var(--failed); }
.row { display: flex; flex-wrap: wrap; gap: 1.25rem; align-items: flex-end; margin-top: 1.1rem; }
figure { margin: 0; max-width: 100%; }
img { display: block; max-width: 100%; height: auto; border-radius: 6px; background: var(--line); }
figcaption { font-size: .8rem; color: var(--soft); margin-top: .4rem; font-variant-numeric: tabular-nums; }
figcaption b { color: var(--ink); font-weight: 600; }
code { font-size: .85em; word-break: break-all; }
"""
WIDEST, TALLEST = 420, 340
"""Pixels: larger variants are shown smaller, so that a ladder fits a screen."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One variant on the page."""

    name: str
    width: int
    height: int
    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Picture:
    """One image on the page, with what became of it."""

    name: str
    line: str
    """What it was, and how long it took; or why it failed."""
    is_ready: bool
    colour: str
    variants: Sequence[Shown]


def page(pictures: Sequence[Picture], summary: str, caveat: str) -> str:
    """Return the whole page."""
    sections = "".join(_section(picture) for picture in pictures)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>darkroom contact sheet</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head>\n<body><header><h1>Contact sheet</h1><p>{escape(summary)}</p>"
        f"<p>{escape(caveat)}</p></header>\n<main>{sections}</main></body></html>\n"
    )


def write_page(path: Path, pictures: Sequence[Picture], summary: str, caveat: str) -> None:
    """Write the page."""
    path.write_text(page(pictures, summary, caveat), encoding="utf-8")


def _section(picture: Picture) -> str:
    state = "ready" if picture.is_ready else "failed"
    dot = f'<span class="dot" style="background:{escape(picture.colour)}"></span>' if picture.colour else ""
    figures = "".join(_figure(picture.name, shown) for shown in picture.variants)
    return (
        f'<section><h2>{dot}{escape(picture.name)} <span class="state {state}">{state}</span></h2>'
        f'<p>{escape(picture.line)}</p><div class="row">{figures}</div></section>\n'
    )


def _figure(image: str, shown: Shown) -> str:
    share = min(1.0, WIDEST / shown.width, TALLEST / shown.height)
    width, height = max(1, round(shown.width * share)), max(1, round(shown.height * share))
    source = f"data:{shown.content_type};base64,{b64encode(shown.data).decode()}"
    return (
        f'<figure><img src="{source}" width="{width}" height="{height}" alt="{escape(image)}, {escape(shown.name)}">'
        f"<figcaption><b>{escape(shown.name)}</b> · {shown.width} x {shown.height} · {size(len(shown.data))} · "
        f"{escape(shown.content_type.removeprefix('image/'))}</figcaption></figure>"
    )


def size(count: int) -> str:
    """Return a number of bytes for people."""
    return f"{count / 1_000_000:.1f} MB" if count >= 1_000_000 else f"{count / 1000:.1f} kB"  # noqa: PLR2004  SI's steps
