"""Encode a finished picture. Every option that makes bytes is set here, so that equal input gives equal bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from processors.facts import SourceFormat
from processors.likeness import luma, ssim
from processors.quality import Encoded, lowest_quality, within_bytes
from processors.recipe import Format, Metadata, VariantSpec
from processors.vips import open_image

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from processors.vips import Image

_OPTIMISED, _TRELLIS, _SCANS = 1, 2, 3
"""From these efforts on a JPEG gets tables of its own, mozjpeg's trellis and tables, and the search for best scans."""
_GREY: Final = 128
_MOZJPEG_TABLE: Final = 3
"""Quantisation table tuned on photographs; mozjpeg's own default."""
_PRIVATE_FIELDS: Final = ("jpeg-thumbnail-data", "exif-ifd2-MakerNote", "orientation", "exif-ifd0-Orientation")
_POSITION: Final = "exif-ifd3-"
"""EXIF's GPS directory."""
_THUMBNAIL: Final = "exif-ifd1-"


def encode(image: Image, spec: VariantSpec, *, profile: bool = False) -> Encoded:
    """Return the file, its quality searched for where the variant says so.

    ``image`` is finished: 8-bit sRGB or grey, straight alpha if the format has any.

    With ``profile`` it is in the colours of the profile that it carries, and so is the file.
    """
    kept = ["icc"] if profile else []
    if spec.metadata is Metadata.KEEP:
        image, kept = _without_private_fields(image), [*kept, "exif", "iptc"]
    save = {Format.JPEG: _jpeg, Format.WEBP: _webp, Format.AVIF: _avif, Format.PNG: _png, Format.GIF: _gif}
    keep = ",".join(kept) or "none"

    def saved(quality: int | None) -> bytes:
        return bytes(save[spec.format](image, replace(spec, quality=quality), keep))

    if spec.target_ssim is None and spec.max_bytes is None:
        return Encoded(saved(spec.quality), spec.quality)
    image = image.copy_memory()  # every probe reads it
    return _searched(image, spec, saved)


def _searched(image: Image, spec: VariantSpec, saved: Callable[[int | None], bytes]) -> Encoded:
    if spec.target_ssim is None:
        found = Encoded(saved(spec.quality), spec.quality)
    else:
        wanted = _luma(image)
        found = lowest_quality(
            saved, lambda data: ssim(wanted, _luma(open_image(data, SourceFormat(spec.format)))), spec.target_ssim
        )
    return found if spec.max_bytes is None else within_bytes(saved, found, spec.max_bytes)


def _luma(image: Image) -> NDArray[np.float32]:
    """Return what is compared; what is transparent lies on grey, so that it counts only where it is seen."""
    return luma(np.asarray(image.flatten(background=_GREY) if image.hasalpha() else image))


def _without_private_fields(image: Image) -> Image:
    """Drop what would show where and by whom the picture was taken, what was cropped away, or turn it once more."""
    image = image.copy()
    for field in image.get_fields():
        if field in _PRIVATE_FIELDS or field.startswith((_POSITION, _THUMBNAIL)):
            image.remove(field)
    return image


def _jpeg(image: Image, spec: VariantSpec, keep: str) -> Any:  # noqa: ANN401 - pyvips is untyped
    trellis, scans = spec.effort >= _TRELLIS, spec.effort >= _SCANS
    return image.jpegsave_buffer(
        Q=spec.quality,
        optimize_coding=spec.effort >= _OPTIMISED,
        interlace=spec.progressive or scans,
        trellis_quant=trellis,
        overshoot_deringing=trellis,
        quant_table=_MOZJPEG_TABLE if trellis else 0,
        optimize_scans=scans,
        subsample_mode="off" if spec.chroma == "444" else "on",
        keep=keep,
    )


def _webp(image: Image, spec: VariantSpec, keep: str) -> Any:  # noqa: ANN401 - pyvips is untyped
    if spec.lossless:
        return image.webpsave_buffer(lossless=True, effort=spec.effort, keep=keep)
    return image.webpsave_buffer(Q=spec.quality, effort=spec.effort, keep=keep)


def _avif(image: Image, spec: VariantSpec, keep: str) -> Any:  # noqa: ANN401 - pyvips is untyped
    return image.heifsave_buffer(
        Q=spec.quality,
        effort=spec.effort,
        compression="av1",
        bitdepth=8,
        subsample_mode="off" if spec.chroma == "444" else "on",
        keep=keep,
    )


def _png(image: Image, spec: VariantSpec, keep: str) -> Any:  # noqa: ANN401 - pyvips is untyped
    return image.pngsave_buffer(compression=spec.effort, palette=spec.palette, keep=keep)


def _gif(image: Image, spec: VariantSpec, keep: str) -> Any:  # noqa: ANN401 - pyvips is untyped
    return image.gifsave_buffer(effort=spec.effort + 1, keep=keep)
