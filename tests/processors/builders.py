"""Pictures, files and recipes for the tests, made on the spot: the repository holds no image."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from processors.facts import Facts, Limits, SourceFormat
from processors.inspect import inspect
from processors.recipe import DEFAULT_EFFORT, DEFAULT_QUALITY, Format, Recipe, VariantSpec
from processors.render import render
from schemas.events import Attributes

if TYPE_CHECKING:
    from processors.ports import Rendered, RenderedVariant

Pixels = NDArray[np.uint8]


def picture(width: int, height: int) -> Pixels:
    """Return smooth areas, edges and fine texture, different in every corner, so that a turn or a shift shows."""
    y, x = np.mgrid[0:height, 0:width]
    u, v = x / max(width - 1, 1), y / max(height - 1, 1)
    red = 60 + 150 * u + 25 * np.sin(9 * v)
    green = 40 + 120 * v + 40 * ((u - 0.3) ** 2 + (v - 0.6) ** 2 < 0.04)
    blue = 200 - 130 * u * v + 12 * np.sin(40 * u) * np.sin(31 * v)
    blue -= 90 * ((u > 0.62) & (v < 0.3))
    return np.asarray(np.clip(np.stack([red, green, blue], axis=2), 0, 255), dtype=np.uint8)


def with_alpha(pixels: Pixels) -> Pixels:
    """Add transparency that falls from left to right, with a hole in the middle."""
    height, width = pixels.shape[:2]
    y, x = np.mgrid[0:height, 0:width]
    alpha = 255 - 180 * x / width
    alpha[(x - width / 2) ** 2 + (y - height / 2) ** 2 < (min(width, height) / 6) ** 2] = 0
    return np.dstack([pixels, alpha.astype(np.uint8)])


def file_of(pixels: NDArray[Any], kind: str = "PNG", **options: Any) -> bytes:  # noqa: ANN401 - whatever Pillow's saver takes
    """Encode by Pillow, which shares no code with what is tested."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


def jpeg(pixels: Pixels, **options: Any) -> bytes:  # noqa: ANN401
    """Encode a photograph-like JPEG."""
    return file_of(pixels, "JPEG", **{"quality": 92, **options})


def spec(name: str = "v", kind: Format = Format.PNG, **keys: Any) -> VariantSpec:  # noqa: ANN401
    """Return a variant with the usual quality and effort unless said otherwise."""
    quality = None if keys.get("lossless") else DEFAULT_QUALITY.get(kind)
    return VariantSpec(name, kind, **{"quality": quality, "effort": DEFAULT_EFFORT[kind], **keys})


def recipe(*variants: VariantSpec, name: str = "test") -> Recipe:
    """Return a recipe of these variants."""
    return Recipe(name, variants or (spec(width=100),))


def facts(width: int = 4000, height: int = 3000, **keys: Any) -> Facts:  # noqa: ANN401
    """Return what the header of an ordinary photograph says, but for ``keys``."""
    usual: dict[str, Any] = {
        "format": SourceFormat.JPEG,
        "width": width,
        "height": height,
        "frames": 1,
        "has_alpha": False,
        "colour_space": "srgb",
        "orientation": 1,
        "interlaced": False,
        "has_profile": False,
        "bits": 8,
        "decoded_bytes": width * height * 3,
    }
    return Facts(**{**usual, **keys})


def rendered(data: bytes, *variants: VariantSpec, attributes: Attributes | None = None) -> Rendered:
    """Inspect and render, as a render process does."""
    return render(data, inspect(data, Limits()), recipe(*variants), attributes or Attributes())


def only(data: bytes, variant: VariantSpec, attributes: Attributes | None = None) -> RenderedVariant:
    """Render one variant."""
    return rendered(data, variant, attributes=attributes).variants[0]


def decoded(data: bytes, mode: str = "RGB") -> Pixels:
    """Decode by Pillow."""
    return np.asarray(Image.open(io.BytesIO(data)).convert(mode))


def shown_by_pillow(data: bytes, width: int, height: int) -> Pixels:
    """Return a file as Pillow and LittleCMS show it: upright, in sRGB, on white, in this size."""
    image: Image.Image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    profile = image.info.get("icc_profile")
    if image.mode == "RGB":
        image = image.reduce(max(1, min(image.size) // 400))  # the large ones would take Pillow seconds
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    elif profile and image.mode in {"RGB", "CMYK"}:
        with suppress(ImageCms.PyCMSError):  # one that does not fit the image is ignored
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            image = ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"), outputMode="RGB") or image
    upright = image.convert("RGBA")
    white = Image.new("RGBA", upright.size, "white")
    white.alpha_composite(upright)
    return reference(np.asarray(white.convert("RGB")), width, height)


def reference(pixels: Pixels, width: int, height: int) -> Pixels:
    """Resize by Pillow, the independent reference for what a resize should look like."""
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))


def difference(one: Pixels, other: Pixels) -> float:
    """Return the mean absolute difference of two images of one size, in steps of 8 bits."""
    assert one.shape == other.shape
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


def perceptual_hash(pixels: Pixels) -> int:
    """Return 64 bits: which neighbours are brighter in a 9x8 likeness (dHash). The same picture has nearly the same."""
    small = Image.fromarray(pixels).convert("L").resize((9, 8), Image.Resampling.BOX)
    grey = np.asarray(small).astype(int)
    return int("".join("1" if bit else "0" for bit in (grey[:, 1:] > grey[:, :-1]).flat), 2)


def distance(one: int, other: int) -> int:
    """Return how many bits of two perceptual hashes differ."""
    return (one ^ other).bit_count()
